/** Injection: the model stays as it is, the pair starts as the base, and every trainable tensor is in the forward pass. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import {
  type AdapterMethod,
  full,
  InjectionError,
  inject,
  lora,
  methods,
  none,
  select,
  selectionOf,
  switchedOff
} from "../../adapters/index.ts"
import type { LoraOptions } from "../../adapters/lora.ts"
import { AdapterConfig } from "../../schemas/index.ts"
import { frozenLinear } from "../../src/kernels/dense-linear.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { type Linear, mapTensors, sizeOf, type Trainable, tensorsOf } from "../../src/tensors/trainable.ts"
import { expectClose, expectNoLeak, tolerance } from "../setup.ts"
import { toyModel, toyTokens } from "./toy-model.ts"

const options: LoraOptions = { rank: 2, alpha: 8, scaling: "standard", init: { kind: "kaiming" } }

let toy: ReturnType<typeof toyModel>
beforeAll(async () => {
  await tf.setBackend("cpu")
  toy = toyModel()
})
afterAll(() => toy.dispose())

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))
const read = (tensor: tf.Tensor) => Effect.promise(() => tensor.data())
const toyLinear: Linear = ({ name }, x) =>
  frozenLinear(x, toy.model.weights(`${name}.weight`) as tf.Tensor2D, toy.model.weights(`${name}.bias`) as tf.Tensor1D)
const baseLogits = () => toy.model.forward(toyTokens(), toyLinear, toy.model.weights)

describe("every method, and none", () => {
  for (const [name, method] of Object.entries(methods)) {
    test(`${name}: switched off, it is the base under the head that was trained`, () =>
      scoped(
        Effect.gen(function* () {
          const { options: own } = selectionOf(Schema.decodeUnknownSync(AdapterConfig)({ method: name, rank: 2 }))
          const adapted = yield* inject(toy.model, method as AdapterMethod<object>, own)
          const moved = mapTensors((t) => tf.add(t, tf.randomNormal(t.shape, 0, 0.3, "float32", 1)), adapted.trainable)
          const off = switchedOff(adapted)
          if (name === "none") return expect(off).toBeNull()
          const head = new Map(moved.dense.filter(({ role }) => role === "head").map((own) => [own.name, own.value]))
          expect([...head.keys()]).toEqual(["head.weight", "head.bias"])
          const expected = toy.model.forward(toyTokens(), toyLinear, (own) => head.get(own) ?? toy.model.weights(own))
          const [on, without] = [adapted.forward(toyTokens(), moved), off!.forward(toyTokens(), moved)]
          expectClose(yield* read(without), yield* read(expected), tolerance.operation)
          expect(yield* read(tf.max(tf.abs(tf.sub(on, without))))).not.toEqual(new Float32Array([0]))
          tf.dispose([...tensorsOf(moved), on, without, expected])
        })
      ))

    test(`${name}: starts as the base, and all that is trained moves the logits`, () =>
      scoped(
        Effect.gen(function* () {
          const { options: own } = selectionOf(Schema.decodeUnknownSync(AdapterConfig)({ method: name, rank: 2 }))
          const adapted = yield* inject(toy.model, method as AdapterMethod<object>, own)
          expect(adapted.method.tag).toBe(name)
          const logits = adapted.forward(toyTokens(), adapted.trainable)
          expectClose(yield* read(logits), yield* read(baseLogits()), tolerance.operation)

          // away from the start, where gA = 0
          const moved = mapTensors((t) => tf.add(t, tf.randomNormal(t.shape, 0, 0.1, "float32", 1)), adapted.trainable)
          const loss = () => tf.sum(tf.square(adapted.forward(toyTokens(), moved))) as tf.Scalar
          const { gradients } = valueAndGradients(loss, tensorsOf(moved))
          for (const gradient of gradients)
            expect(yield* read(tf.max(tf.abs(gradient)))).not.toEqual(new Float32Array([0]))
          tf.dispose([...tensorsOf(moved), ...gradients, logits])
        })
      ))
  }
})

test("lora: a pair per site in the model's order, and the head", () =>
  scoped(
    Effect.gen(function* () {
      const overrides = [{ targets: ["wide"], rank: 4 }]
      const adapted = yield* inject(toy.model, lora, { ...options, targets: "all-linear", overrides })
      expect(adapted.sites).toEqual([...toy.model.sites])
      expect(adapted.trainable.pairs.map(({ site, A, B, scale }) => [site.name, A.shape, B.shape, scale])).toEqual([
        ["block.0.dense", [2, 8], [8, 2], 4],
        ["block.1.dense", [2, 8], [8, 2], 4],
        ["last.wide", [4, 8], [12, 4], 2]
      ])
      expect(adapted.trainable.dense.map(({ name, role }) => [name, role])).toEqual([
        ["head.weight", "head"],
        ["head.bias", "head"]
      ])
      expect(sizeOf(adapted.trainable)).toBe(2 * 2 * (8 + 8) + 4 * (8 + 12) + 3 * 12 + 3)
    })
  ))

test("full: W and bias of the targets, as copies", () =>
  scoped(
    Effect.gen(function* () {
      const adapted = yield* inject(toy.model, full, { targets: ["block.*.dense"] })
      expect(adapted.trainable.pairs).toEqual([])
      expect(adapted.trainable.dense.map(({ name, role }) => `${name} ${role}`)).toEqual([
        "block.0.dense.weight body",
        "block.0.dense.bias body",
        "block.1.dense.weight body",
        "block.1.dense.bias body",
        "head.weight head",
        "head.bias head"
      ])
      for (const { name, value } of adapted.trainable.dense) expect(value).not.toBe(toy.model.weights(name))
    })
  ))

test("none: the head alone, without sites", () =>
  scoped(
    Effect.gen(function* () {
      const adapted = yield* inject(toy.model, none, {})
      expect([adapted.method.tag, adapted.sites, adapted.trainable.pairs]).toEqual(["none", [], []])
      expect(adapted.trainable.dense.map(({ name }) => name)).toEqual(["head.weight", "head.bias"])
    })
  ))

test("modules to save are trained too: an embedding, and a linear layer that is not adapted", () =>
  scoped(
    Effect.gen(function* () {
      const selection = { targets: ["block.0.dense"], modulesToSave: ["embeddings", "block.1.dense"] }
      const adapted = yield* inject(toy.model, lora, { ...options, ...selection })
      const names = ["embeddings.weight", "block.1.dense.weight", "block.1.dense.bias", "head.weight", "head.bias"]
      expect(adapted.trainable.dense.map(({ name }) => name)).toEqual(names)
      expect(adapted.trainable.dense.map(({ role }) => role)).toEqual(["body", "body", "body", "head", "head"])
      const loss = () => tf.sum(tf.square(adapted.forward(toyTokens(), adapted.trainable))) as tf.Scalar
      const { gradients } = valueAndGradients(loss, tensorsOf(adapted.trainable).slice(2))
      for (const gradient of gradients) expect((yield* read(gradient)).some((value) => value !== 0)).toBe(true)
      tf.dispose([...gradients])
    })
  ))

test("merged: W + s·BA of one site, and a forward pass with it is the adapted one", () =>
  scoped(
    Effect.gen(function* () {
      const adapted = yield* inject(toy.model, lora, { ...options, targets: ["wide"] })
      const moved: Trainable = mapTensors((t) => tf.add(t, 0.3), adapted.trainable)
      const [site] = adapted.sites
      const W = adapted.merged(site!, moved)
      const merged = toy.model.forward(
        toyTokens(),
        ({ name }, x) => {
          const own = name === site!.name ? W : (toy.model.weights(`${name}.weight`) as tf.Tensor2D)
          return frozenLinear(x, own, toy.model.weights(`${name}.bias`) as tf.Tensor1D)
        },
        (name) => moved.dense.find((parameter) => parameter.name === name)?.value ?? toy.model.weights(name)
      )
      expectClose(yield* read(adapted.forward(toyTokens(), moved)), yield* read(merged), tolerance.forward)
    })
  ))

describe("options have the defaults of a plan, and are wrong in its words", () => {
  test("each method with one option, or none, is as a plan of it", () =>
    scoped(
      Effect.gen(function* () {
        const decode = Schema.decodeUnknownSync(AdapterConfig)
        for (const [method, written] of [
          [lora, { rank: 2 }],
          [methods.dora, { rank: 2, alpha: 3 }],
          [methods.adalora, { rank: 2 }],
          [methods.loha, { rank: 2 }],
          [methods.vera, { rank: 2 }],
          [full, {}],
          [none, {}]
        ] as const) {
          const adapted = yield* inject(toy.model, method as AdapterMethod<object>, written as object)
          const { options, selection } = selectionOf(decode({ method: method.tag, ...written }))
          const planned = Result.getOrThrow(select(toy.model, method as AdapterMethod<object>, options, selection))
          expect(adapted.selected).toEqual(planned)
        }
        expect((yield* inject(toy.model, lora, { rank: 2, targets: undefined })).sites.length).toBe(3)
      })
    ))

  test.each<readonly [wrong: object, ReadonlyArray<string>]>([
    [
      { rnk: 2, alpha: "16", dropout: 1, seed: -1 },
      [
        'adapter.rnk: unknown key; did you mean "rank"? (allowed: method, from, rank, alpha, scaling, init, targets, exclude, overrides, dropout, modulesToSave)',
        'adapter.alpha: found "16"; expected a number greater than 0',
        "adapter.dropout: found 1; expected a number from 0 up to, not including, 1",
        "seed: found -1; expected an integer of at least 0"
      ]
    ],
    [
      { targets: 3 },
      ['adapter.targets: found 3; expected "all-linear", "attention", "mlp", or a list of one or more layer patterns']
    ],
    [{ method: "dora" }, ['adapter.method: found "dora"; expected "lora"; did you mean "lora"?']],
    [
      { init: { kind: "gora", minRank: 4, maxRank: 2 } },
      ["adapter.init: found minRank 4 and maxRank 2; expected minRank at most maxRank"]
    ],
    [
      { from: "adapters/1" },
      ["adapter.from: inject starts a new adapter; to continue a saved one, use readPlan and train, or loadAdapter"]
    ]
  ])("%o", async (wrong, problems) => {
    const error = await scoped(Effect.flip(inject(toy.model, lora, wrong)))
    expect(error).toBeInstanceOf(InjectionError)
    expect(error.message.split("\n")).toEqual([...problems])
  })

  test("a method of one's own needs no more than its own options", () =>
    scoped(
      Effect.gen(function* () {
        const own: AdapterMethod<{ readonly start: number }> = { ...full, section: undefined }
        expect((yield* inject(toy.model, own, { start: 1 })).sites.length).toBe(3)
        const error = yield* Effect.flip(inject(toy.model, own, { start: 1, targets: [] }))
        expect(error.message).toStartWith("adapter.targets: found []; expected")
      })
    ))
})

describe("seeds", () => {
  const factors = (seed: number | undefined, targets: ReadonlyArray<string>) =>
    scoped(
      Effect.gen(function* () {
        const adapted = yield* inject(toy.model, lora, { ...options, targets, ...(seed === undefined ? {} : { seed }) })
        return yield* Effect.forEach(adapted.trainable.pairs, ({ A }) => read(A))
      })
    )
  test("the same one gives the same factors, another one others; 0 when none is given", async () => {
    const zero = await factors(0, ["dense"])
    expect(await factors(0, ["dense"])).toEqual(zero)
    expect(await factors(undefined, ["dense"])).toEqual(zero)
    expect(await factors(1, ["dense"])).not.toEqual(zero)
  })
})

test("bad patterns are an error of the effect, told before anything is made", async () => {
  await expectNoLeak(async () => {
    const error = await scoped(
      Effect.flip(inject(toy.model, lora, { ...options, targets: ["blok.*.dense"], modulesToSave: ["x"] }))
    )
    if (error._tag !== "InjectionError") throw error
    expect(error.problems.map((problem) => problem.path)).toEqual(["adapter.targets.0", "adapter.modulesToSave.0"])
  })
})

test("the scope's end frees the parameters as they are then, and the model keeps its own", async () => {
  await expectNoLeak(() =>
    scoped(
      Effect.gen(function* () {
        const adapted = yield* inject(toy.model, full, { targets: "all-linear", modulesToSave: ["embeddings"] })
        const before = adapted.trainable
        adapted.trainable = mapTensors((t) => tf.add(t, 1), before)
        tf.dispose([...tensorsOf(before)])
      })
    )
  )
  expect(toy.model.weights("embeddings.weight").isDisposed).toBe(false)
})
