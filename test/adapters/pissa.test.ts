/**
 * PiSSA: the start is the best approximation of W, by the golden numbers of another implementation; the pair subtracts it for as long as
 * it lives; what cannot start says why and leaves nothing behind; and LoRA-Pro's theorem holds on the pair that moves.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { inject, injectSelected, type LoraOptions, lora, select } from "../../adapters/index.ts"
import { noCalibration } from "../../adapters/init/calibration.ts"
import { pissa } from "../../adapters/init/pissa.ts"
import { dequantized } from "../../src/kernels/dequantize.ts"
import type { Model } from "../../src/models/model.ts"
import { type PackedHostMatrix, packMatrix } from "../../src/numbers/index.ts"
import { randomStream } from "../../src/numbers/random.ts"
import { chain, loraPro, scaleByAdam, type Transform } from "../../src/optimizers/index.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { type FrozenMatrix, tensorsOfMatrix, uploadPacked } from "../../src/tensors/index.ts"
import { frozenOf, type Trainable, tensorsOf, withTensors } from "../../src/tensors/trainable.ts"
import { describeOnEach } from "../backends.ts"
import golden from "../golden/lora_pro/init_pissa.json"
import { expectNoLeak, tolerance } from "../setup.ts"
import {
  combine,
  deviation,
  type Matrix,
  make,
  norm,
  orthonormal,
  random,
  randomMatrix,
  rounded,
  times,
  transpose
} from "../src/optimizers/matrix.ts"
import { matrixOf, tensorOf, treeOf } from "../src/optimizers/tensors.ts"
import { toyModel, toyTokens } from "./toy-model.ts"

const { r, s, W0 } = golden
const [m, n] = [W0.length, W0[0]!.length]
const site = { name: "some.site", kind: "dense", out: m, in: n } as const
const options: LoraOptions = { rank: r, alpha: golden.alpha, scaling: "standard", init: { kind: "pissa" } }

const source = (W: FrozenMatrix, seed = 0) => ({
  W,
  bias: null,
  random: randomStream(seed, site.name),
  calibrate: noCalibration
})

type Config = { readonly kind: "pissa"; readonly iterations?: number }

/** s·BA of a start. */
const startOf = async (W: FrozenMatrix, config: Config = { kind: "pissa" }, seed = 0) => {
  const { A, B } = await Effect.runPromise(pissa.init(config, { site, rank: r, scale: s }, source(W, seed)))
  const factors = { A: await matrixOf(A), B: await matrixOf(B) }
  tf.dispose([A, B])
  return { ...factors, sBA: combine([s, times(factors.B, factors.A)]) }
}

describeOnEach(() => {
  test("A and B are those of the golden file", async () => {
    const W = tensorOf(W0)
    await expectNoLeak(async () => {
      const { A, B, sBA } = await startOf(W)
      // W, A and B rounded to float32 once each
      expect(deviation(sBA, golden.s_BA)).toBeLessThan(tolerance.operation)
      expect(deviation(times(transpose(A), A), golden.AtA)).toBeLessThan(tolerance.operation)
      expect(deviation(times(B, transpose(B)), golden.BBt)).toBeLessThan(tolerance.operation)
      expect(deviation([A.map((row) => times([row], transpose([row]))[0]![0]!)], [golden.AAt_diagonal])).toBeLessThan(
        tolerance.operation
      )
    })
    W.dispose()
  })

  test("over a packed base it is that of what the words stand for", async () => {
    for (const packing of ["f16", "int8"] as const) {
      const packed = packMatrix(packing, Float32Array.from(W0.flat()), [m, n]) as PackedHostMatrix
      const W = uploadPacked(packed)
      const whole = tf.tidy(() => dequantized(W).clone())
      expect(await startOf(W)).toEqual(await startOf(whole))
      expect(deviation((await startOf(W)).sBA, golden.s_BA)).toBeGreaterThan(10 * tolerance.operation)
      tf.dispose([...tensorsOfMatrix(W), whole])
    }
  })
})

/** Values that depend on the stream, where a matrix has more directions than are looked at. */
describe("randomised", () => {
  beforeAll(() => tf.setBackend("cpu"))
  const wide = { name: "wide", kind: "dense", out: 40, in: 60 } as const

  test("comes near the exact start, from the site's own stream", async () => {
    const next = random(1)
    const values = Array.from({ length: 40 }, (_, i) => 4 * 0.8 ** i)
    const diagonal = make(40, 40, (i, j) => (i === j ? values[i]! : 0))
    const [U, V] = [orthonormal(randomMatrix(40, 40, next)), orthonormal(randomMatrix(60, 40, next))]
    const W = tensorOf(times(U, diagonal, transpose(V)))
    const start = async (iterations: number | undefined, seed: number) => {
      const config = { kind: "pissa", ...(iterations === undefined ? {} : { iterations }) } as const
      const { A, B } = await Effect.runPromise(pissa.init(config, { site: wide, rank: 4, scale: 2 }, source(W, seed)))
      const product = combine([2, times(await matrixOf(B), await matrixOf(A))])
      tf.dispose([A, B])
      return product
    }
    const exact = await start(undefined, 0)
    expect(await start(undefined, 1)).toEqual(exact)
    expect(await start(2, 0)).toEqual(await start(2, 0))
    expect(await start(2, 0)).not.toEqual(await start(2, 1))
    // what is not the range of 14 directions falls by (σ₁₅/σ₄)^(2q+1) = 0.086^5
    expect(deviation(await start(2, 0), exact)).toBeLessThan(1e-4)
    W.dispose()
  })
})

describe("in a model", () => {
  let toy: ReturnType<typeof toyModel>
  beforeAll(async () => {
    await tf.setBackend("cpu")
    toy = toyModel()
  })
  afterAll(() => toy.dispose())
  const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
    Effect.runPromise(Effect.scoped(effect))
  const read = (tensor: tf.Tensor) => Effect.promise(async () => (await tensor.data()).slice())
  const targets = "all-linear"

  test("each site has the rank that an override gives it, and the best approximation of that rank", () =>
    scoped(
      Effect.gen(function* () {
        const overrides = [
          { targets: ["block.0.dense"], rank: 8 },
          { targets: ["last.wide"], rank: 1, alpha: 3 }
        ]
        const { trainable } = yield* inject(toy.model, lora, { ...options, rank: 3, targets, overrides })
        expect(trainable.pairs.map(({ A, scale }) => [A.shape[0], scale])).toEqual([
          [8, 6 / 8],
          [3, 2],
          [1, 3]
        ])
        for (const pair of trainable.pairs) {
          const rank = pair.A.shape[0]!
          const W = yield* Effect.promise(() => matrixOf(toy.model.weights(`${pair.site.name}.weight`)))
          const [A, B] = [yield* Effect.promise(() => matrixOf(pair.A)), yield* Effect.promise(() => matrixOf(pair.B))]
          const rest = combine([1, W], [-pair.scale, times(B, A)])
          // Eckart & Young: what is left is orthogonal to what was taken, and of no smaller norm than any other rest
          const bound = tolerance.operation * norm(W)
          expect(norm(times(transpose(B), rest))).toBeLessThan(bound * norm(B))
          expect(norm(times(rest, transpose(A)))).toBeLessThan(bound * norm(A))
          if (rank === 8) expect(norm(rest)).toBeLessThan(bound)
        }
      })
    ))

  test("what is subtracted stays, bit for bit, when A and B are replaced, and goes with the adapter", () =>
    expectNoLeak(() =>
      scoped(
        Effect.gen(function* () {
          const adapted = yield* inject(toy.model, lora, { ...options, targets })
          const before = yield* Effect.forEach(frozenOf(adapted.trainable), read)
          expect(before).toHaveLength(6)
          const first = tensorsOf(adapted.trainable)
          const moved = first.map((tensor) => tf.tidy(() => tf.add(tensor, 1)))
          adapted.trainable = withTensors(adapted.trainable, moved)
          tf.dispose([...first])
          expect(yield* Effect.forEach(frozenOf(adapted.trainable), read)).toEqual(before)
          const tokens = toyTokens()
          const logits = adapted.forward(tokens, adapted.trainable)
          for (const value of yield* read(logits)) expect(value).toBeFinite()
          tf.dispose([logits, ...Object.values(tokens)])
        })
      )
    ))

  test("where trained numbers will be put in place, nothing is decomposed or looked at", () =>
    scoped(
      Effect.gen(function* () {
        const model = yield* withWeight("last.wide.weight", (values) => {
          values[9] = Number.NaN
        })
        for (const init of [options.init, { kind: "lora-ga", batches: 1, gamma: 16, direction: "ArB2r" }] as const) {
          const selected = yield* Effect.fromResult(select(model, lora, { ...options, init }, { targets }))
          const { trainable } = yield* injectSelected(model, lora, selected, 0, undefined, true)
          expect(frozenOf(trainable).map(({ shape }) => shape)).toEqual(
            trainable.pairs.flatMap(({ A, B }) => [A.shape, B.shape])
          )
          for (const tensor of [...tensorsOf(trainable).slice(0, 6), ...frozenOf(trainable)]) {
            expect(yield* read(tf.max(tf.abs(tensor)))).toEqual(new Float32Array([0]))
          }
        }
      })
    ))

  const withWeight = (name: string, change: (values: Float32Array) => void) =>
    Effect.gen(function* () {
      const own = toy.model.weights(name)
      const values = (yield* read(own)) as Float32Array
      change(values)
      const tensor = yield* Effect.acquireRelease(
        Effect.sync(() => tf.tensor(values, own.shape)),
        (made) => Effect.sync(() => made.dispose())
      )
      const model: Model = { ...toy.model, weights: (wanted) => (wanted === name ? tensor : toy.model.weights(wanted)) }
      return model
    })

  const failure = (name: string, change: (values: Float32Array) => void) =>
    scoped(
      Effect.gen(function* () {
        const model = yield* withWeight(name, change)
        return yield* Effect.flip(inject(model, lora, { ...options, targets }))
      })
    )

  test("a weight that is not finite is refused by name, and the sites before it are given up", () =>
    expectNoLeak(async () => {
      const error = await failure("last.wide.weight", (values) => {
        values[9] = Number.NaN
      })
      expect(error).toMatchObject({ _tag: "InitError", site: "last.wide", init: "pissa" })
      expect(error.message).toBe(
        'adapter.init "pissa" cannot initialize last.wide: W[1, 1] is NaN, expected finite numbers; repair the model\'s weights'
      )
    }))

  test("so is a weight of too low a rank: a direction that starts at 0 on both sides never moves", () =>
    expectNoLeak(async () => {
      const error = await failure("block.1.dense.weight", (values) => {
        values.fill(0, 16)
      })
      expect(error.message).toMatch(
        /block\.1\.dense: W has rank 2, and what a pair of rank 3 has beyond that .* at most 2, or leave it out$/
      )
      const nothing = await failure("block.1.dense.weight", (values) => {
        values.fill(0)
      })
      expect(nothing.message).toMatch(/W is all zeros, .* exclude the site/)
    }))
})

/** P_B g + g P_A − P_B g P_A, with projectors from QR. */
const projected = (A: Matrix, B: Matrix, g: Matrix): Matrix => {
  const [QB, QA] = [orthonormal(B), orthonormal(transpose(A))]
  const left = times(QB, transpose(QB), g)
  const right = times(g, QA, transpose(QA))
  return combine([1, left], [1, right], [-1, times(left, QA, transpose(QA))])
}

describeOnEach((backend) => {
  // factors of cond 2 and four products in float32, as in the laws of LoRA-Pro; webgpu sums in another order
  const bound = backend === "webgpu" ? 1e-4 : 2e-5

  test("LoRA-Pro on the pair that moves: s(B·dA + dB·A) is the projection of ∂L/∂W", async () => {
    const next = random(3)
    const tokens = 30
    const x = tensorOf(rounded(randomMatrix(tokens, n, next)))
    const dy = tensorOf(rounded(randomMatrix(tokens, m, next)))
    const base = { W: tensorOf(W0), bias: null }
    const started = await Effect.runPromise(lora.init(site, options, source(base.W)))
    // some steps later, where BA and its start are not the same
    const disturbed = tensorsOf(started).map((tensor) => {
      const more = randomMatrix(tensor.shape[0]!, tensor.shape[1]!, next, 0.1)
      return tf.tidy(() => tf.add(tensor, tensorOf(more)))
    })
    const params = withTensors(started, disturbed)
    const loss = () =>
      tf.tidy(() => tf.sum(tf.mul(lora.forward({ site, options, part: params }, x, base), dy)) as tf.Scalar)
    const { gradients } = valueAndGradients(loss, tensorsOf(params))
    const g = times(transpose(await matrixOf(dy)), await matrixOf(x))
    const [A, B] = [await matrixOf(params.pairs[0]!.A), await matrixOf(params.pairs[0]!.B)]
    expect(deviation(await matrixOf(gradients[0]!), combine([s, times(transpose(B), g)]))).toBeLessThan(bound)
    expect(deviation(await matrixOf(gradients[1]!), combine([s, times(g, transpose(A))]))).toBeLessThan(bound)

    const steps = async (transform: Transform, of: Trainable) => {
      const state = await Effect.runPromise(transform.refresh!(transform.init(of), of))
      const { updates } = transform.update(withTensors(of, gradients), state, of)
      return Promise.all(tensorsOf(updates).map(matrixOf))
    }
    const [dA, dB] = (await steps(loraPro(), params)) as [Matrix, Matrix]
    const move = combine([s, times(B, dA)], [s, times(dB, A)])
    expect(deviation(move, projected(A, B, g))).toBeLessThan(bound)

    // and what is subtracted has no say in a step of any form
    const plain = params.pairs[0]!
    for (const form of [loraPro(), loraPro({ inner: scaleByAdam() }), chain(loraPro(), scaleByAdam())]) {
      expect(await steps(form, params)).toEqual(await steps(form, treeOf(plain)))
    }
    tf.dispose([x, dy, base.W, ...tensorsOf(started), ...frozenOf(started), ...disturbed, ...gradients])
  })
})
