/**
 * Dropout of the adapters' inputs: PEFT's layers under the same mask, its mean, and where the masks of a run come from.
 */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type AdapterMethod, adalora, dora, dropout, full, InjectionError, inject, lora } from "../../adapters/index.ts"
import { dropoutMasks, type TrainingPlace } from "../../adapters/inject.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import type { LinearSite, Trainable } from "../../src/tensors/trainable.ts"
import { describeOnEach } from "../backends.ts"
import { expectClose, tolerance } from "../setup.ts"
import { toyModel, toyTokens } from "./toy-model.ts"

interface Layer {
  readonly W: ReadonlyArray<number>
  readonly bias: ReadonlyArray<number>
  readonly A: ReadonlyArray<number>
  readonly B: ReadonlyArray<number>
  /** DoRA's lengths, AdaLoRA's λ */
  readonly dense?: ReadonlyArray<number>
  readonly x: ReadonlyArray<number>
  readonly dy: ReadonlyArray<number>
  readonly y: ReadonlyArray<number>
  readonly gradients: Readonly<Record<"x" | "A" | "B", ReadonlyArray<number>>> & {
    readonly dense?: ReadonlyArray<number>
  }
}

interface Golden {
  readonly tokens: number
  readonly in: number
  readonly out: number
  readonly r: number
  readonly alpha: number
  readonly rate: number
  readonly seed: number
  readonly offset: number
  /** a letter for each number of x: 1 where it is kept */
  readonly kept: string
  readonly lora: Layer
  readonly dora: Layer
  readonly adalora: Layer
}

const golden: Golden = JSON.parse(
  readFileSync(join(import.meta.dir, "..", "golden", "lora_pro", "dropout.json"), "utf8")
)
const { tokens, in: inputs, out, r, alpha, rate, seed, offset } = golden
const mask = { rate, seed, offset }
const site: LinearSite = { name: "linear", kind: "dense", out, in: inputs }

const methods = {
  lora: { method: lora as AdapterMethod<never>, scale: alpha / r },
  dora: { method: dora as AdapterMethod<never>, scale: alpha / r },
  // PEFT's, which stands beside the rank
  adalora: { method: adalora as AdapterMethod<never>, scale: alpha / (r + 1e-5) }
}

// Three products one after the other in float32, and what they are added to.
const BOUND = 5 * tolerance.operation

describeOnEach(() => {
  test("the mask is that of the paper's hash, in numpy", async () => {
    const kept = await dropout(tf.ones([tokens, inputs]), mask).data()
    expect(Array.from(kept, (value) => (value === 0 ? "0" : "1")).join("")).toBe(golden.kept)
    expect(golden.kept).toMatch(/01.*10/)
  })

  for (const name of ["lora", "dora", "adalora"] as const) {
    test(`${name}: PEFT's output and gradients in float64, under the same mask`, async () => {
      const layer = golden[name]
      const { method, scale } = methods[name]
      const matrix = (values: ReadonlyArray<number>, columns: number) =>
        tf.tensor2d([...values], [values.length / columns, columns])
      const [A, B, x] = [matrix(layer.A, inputs), matrix(layer.B, r), matrix(layer.x, inputs)]
      const dense = layer.dense === undefined ? [] : [tf.tensor1d([...layer.dense])]
      const part: Trainable = {
        pairs: [{ site, A, B, scale }],
        dense: dense.map((value) => ({ name: "linear.dense", role: "body", value }))
      }
      const base = { W: matrix(layer.W, inputs), bias: tf.tensor1d([...layer.bias]) }
      const forward = () => method.forward({ site, options: {} as never, part }, x, base, mask)
      expectClose(await forward().data(), layer.y, BOUND)
      const dy = matrix(layer.dy, out)
      const { gradients } = valueAndGradients(() => tf.sum(tf.mul(forward(), dy)) as tf.Scalar, [x, A, B, ...dense])
      const expected = [layer.gradients.x, layer.gradients.A, layer.gradients.B, layer.gradients.dense]
      expect(gradients.length).toBe(3 + dense.length)
      for (const [i, gradient] of gradients.entries()) expectClose(await gradient.data(), expected[i]!, BOUND)
    })
  }
})

const onCpu = <A>(f: () => Promise<A>): Promise<A> => tf.setBackend("cpu").then(f)

test("over many masks the mean of the output is the output, within four standard deviations", () =>
  onCpu(async () => {
    const { A, B, W, bias, x } = golden.lora
    const base = { W: tf.tensor2d([...W], [out, inputs]), bias: tf.tensor1d([...bias]) }
    const pair = { site, A: tf.tensor2d([...A], [r, inputs]), B: tf.tensor2d([...B], [out, r]), scale: alpha / r }
    const input = tf.tensor2d([...x], [tokens, inputs])
    const run = (step?: number) =>
      tf.tidy(() => {
        const own = step === undefined ? undefined : dropoutMasks(1, [0.4])({ step, batch: 0 }, 0)
        return lora.forward({ site, options: {} as never, part: { pairs: [pair], dense: [] } }, input, base, own)
      })
    const whole = await run().data()
    const MASKS = 3000
    const sums = new Float64Array(whole.length)
    const squares = new Float64Array(whole.length)
    for (let step = 0; step < MASKS; step++) {
      const y = run(step)
      for (const [i, value] of (await y.data()).entries()) {
        const error = value - whole[i]!
        sums[i]! += error
        squares[i]! += error * error
      }
      y.dispose()
    }
    const [worst, chi] = sums.reduce<[number, number]>(
      ([most, total], sum, i) => {
        const mean = sum / MASKS
        const deviation = Math.sqrt((squares[i]! / MASKS - mean * mean) / MASKS)
        expect(deviation).toBeGreaterThan(0)
        return [Math.max(most, Math.abs(mean) / deviation), total + (mean / deviation) ** 2]
      },
      [0, 0]
    )
    expect(worst).toBeLessThan(4)
    // outputs of one row hang together, those of different rows do not: not all of them may be far out
    expect(chi / whole.length).toBeLessThan(4)
  }))

describe("the masks of a run", () => {
  const rates = [0.1, 0, 0.5]
  /** of the stream of seed 0 */
  const FIRST = 74_814_133
  const key = ({ seed, offset }: { readonly seed: number; readonly offset: number }) => `${seed}/${offset}`

  test("are a known function of seed, step, batch and site: another would make other runs of old plans", () => {
    const at = dropoutMasks(0, rates)
    expect(at({ step: 0, batch: 0 }, 0)).toEqual({ rate: 0.1, seed: FIRST, offset: 0 })
    expect(at({ step: 7, batch: 2 }, 2)).toEqual({ rate: 0.5, seed: FIRST + 7, offset: 2 * 3 + 2 })
    expect(at({ step: 2 ** 32 - 1, batch: 0 }, 0)!.seed).toBe(FIRST - 1)
    expect(at({ step: 0, batch: 0 }, 1)).toBeUndefined()
    expect(dropoutMasks(1, rates)({ step: 0, batch: 0 }, 0)!.seed).not.toBe(FIRST)
  })

  test("no two places share theirs", () => {
    const at = dropoutMasks(
      3,
      Array.from({ length: 12 }, () => 0.1)
    )
    const seen = new Set<string>()
    for (let step = 0; step < 50; step++) {
      for (let batch = 0; batch < 4; batch++) {
        for (let site = 0; site < 12; site++) seen.add(key(at({ step, batch }, site)!))
      }
    }
    expect(seen.size).toBe(50 * 4 * 12)
  })
})

const scoped = <A, E>(program: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(program))

const options = { rank: 2, alpha: 4, scaling: "standard", init: { kind: "gaussian" } } as const

describe("an adapted model", () => {
  /** Logits at places of training, of factors that are not 0. */
  const logitsAt = (rate: number | undefined) =>
    Effect.gen(function* () {
      yield* Effect.promise(() => tf.setBackend("cpu"))
      const { model, dispose } = toyModel()
      yield* Effect.addFinalizer(() => Effect.sync(dispose))
      const own = rate === undefined ? options : { ...options, dropout: rate }
      const adapted = yield* inject(model, lora, { ...own, targets: ["dense"] })
      const pairs = adapted.trainable.pairs.map((pair) => ({ ...pair, B: tf.add<tf.Tensor2D>(pair.B, 0.5) }))
      const trainable = { ...adapted.trainable, pairs }
      return (training?: TrainingPlace) =>
        Effect.promise(() => adapted.forward(toyTokens(), trainable, { training }).data())
    })

  test("drops where training stands, and nowhere else", () =>
    scoped(
      Effect.gen(function* () {
        const [none, zero, some] = [yield* logitsAt(undefined), yield* logitsAt(0), yield* logitsAt(0.5)]
        const whole = yield* none()
        const place = { step: 3, batch: 1 }
        expect(yield* none(place)).toEqual(whole)
        expect(yield* zero(place)).toEqual(whole)
        expect(yield* some()).toEqual(whole)
        const dropped = yield* some(place)
        expect(dropped).not.toEqual(whole)
        expect(yield* some(place)).toEqual(dropped)
        for (const other of [
          { step: 4, batch: 1 },
          { step: 3, batch: 0 }
        ])
          expect(yield* some(other)).not.toEqual(dropped)
      })
    ))

  test("each site has masks of its own; a tap sees what is left of x", () =>
    scoped(
      Effect.gen(function* () {
        yield* Effect.promise(() => tf.setBackend("cpu"))
        const { model, dispose } = toyModel()
        yield* Effect.addFinalizer(() => Effect.sync(dispose))
        const adapted = yield* inject(model, lora, {
          ...options,
          targets: "all-linear",
          exclude: ["wide"],
          dropout: 0.5
        })
        const seen = new Map<string, ReadonlyArray<number>>()
        const look = (training?: TrainingPlace) =>
          adapted.forward(toyTokens(), adapted.trainable, {
            training,
            tap: ({ name }, x, y) => {
              seen.set(name, Array.from(x.dataSync()))
              return y
            }
          })
        look()
        const whole = new Map(seen)
        look({ step: 0, batch: 0 })
        const kept = (name: string) =>
          seen
            .get(name)!
            .map((value) => (value === 0 ? 0 : 1))
            .join("")
        const [first, second] = [kept("block.0.dense"), kept("block.1.dense")]
        expect(first).toMatch(/01.*10|10.*01/)
        expect(second).toMatch(/01.*10|10.*01/)
        expect(first).not.toBe(second)
        const x = whole.get("block.0.dense")!
        expect(seen.get("block.0.dense")).toEqual(x.map((value, i) => (first[i] === "1" ? 2 * value : 0)))
        // not adapted
        expect(kept("last.wide")).not.toContain("0")
      })
    ))

  test("an embedding's input is left whole", () => {
    const embedding: LinearSite = { name: "table", kind: "embedding", out: 4, in: 9, bias: false }
    expect(lora.dropout!(embedding, { ...options, dropout: 0.5 })).toBe(0)
    expect(lora.dropout!(site, { ...options, dropout: 0.5 })).toBe(0.5)
    expect(full.dropout).toBeNull()
  })

  test("a rate that is none is refused before anything is adapted", () =>
    scoped(
      Effect.gen(function* () {
        const { model, dispose } = toyModel()
        yield* Effect.addFinalizer(() => Effect.sync(dispose))
        for (const rate of [1, -0.1, Number.NaN]) {
          const failed = yield* Effect.flip(inject(model, lora, { ...options, targets: ["dense"], dropout: rate }))
          expect(failed).toBeInstanceOf(InjectionError)
          expect(failed.message).toBe(
            `adapter.dropout: found ${rate}; expected a number from 0 up to, not including, 1`
          )
        }
      })
    ))

  test("a method from outside is handed the mask if it says that it drops, and none otherwise", () =>
    scoped(
      Effect.gen(function* () {
        yield* Effect.promise(() => tf.setBackend("cpu"))
        const { model, dispose } = toyModel()
        yield* Effect.addFinalizer(() => Effect.sync(dispose))
        const seen: Array<number | undefined> = []
        const own: AdapterMethod<{ readonly rate: number }> = {
          ...full,
          section: undefined,
          forward: (at, x, base, mask) => {
            seen.push(mask?.rate)
            return full.forward(at, mask === undefined ? x : dropout(x, mask), base)
          }
        }
        for (const method of [own, { ...own, dropout: (_: LinearSite, { rate }: { readonly rate: number }) => rate }]) {
          const adapted = yield* inject(model, method, { rate: 0.25, targets: ["dense"] })
          adapted.forward(toyTokens(), adapted.trainable, { training: { step: 0, batch: 0 } })
        }
        expect(seen).toEqual([undefined, undefined, 0.25, 0.25])
      })
    ))
})
