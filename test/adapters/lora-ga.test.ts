/**
 * LoRA-GA: the start is the paper's, by the golden numbers of another implementation; its first move is the best that a pair of rank r
 * can make; and what cannot start says why and leaves nothing behind.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Calibrate, inject, lora } from "../../adapters/index.ts"
import { loraGa } from "../../adapters/init/lora-ga.ts"
import type { LoraInit } from "../../schemas/index.ts"
import { randomStream } from "../../src/numbers/random.ts"
import { scaleByLearningRate } from "../../src/optimizers/index.ts"
import { fullGradients } from "../../src/training/backward.ts"
import { calibrating, crossEntropy, openSession, takeStep } from "../../src/training/index.ts"
import { describeOn, describeOnEach } from "../backends.ts"
import golden from "../golden/lora_pro/init_lora_ga.json"
import { expectNoLeak, tolerance } from "../setup.ts"
import { combine, deviation, inner, type Matrix, norm, times, transpose } from "../src/optimizers/matrix.ts"
import { matrixOf, tensorOf } from "../src/optimizers/tensors.ts"
import { randomBatch, tinyBert } from "../src/training/tiny-bert.ts"

type LoraGa = Extract<LoraInit, { readonly kind: "lora-ga" }>

const { g, m, n, r, s, gamma } = golden
const site = { name: "some.site", kind: "dense", out: m, in: n } as const
const config: LoraGa = { kind: "lora-ga", batches: 3, gamma, direction: "ArB2r" }

const source = (calibrate: Calibrate) => ({
  W: tf.zeros<tf.Rank.R2>([m, n]),
  bias: null,
  random: randomStream(0, site.name),
  calibrate
})

/** Answers with a gradient of its own. */
const answering =
  (gradient: () => tf.Tensor2D): Calibrate =>
  () =>
    Effect.sync(gradient)

const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

describeOnEach(() => {
  for (const direction of ["ArB2r", "A2rBr", "ArBr"] as const) {
    test(`${direction}: A and B are those of the golden file`, async () => {
      const given = source(answering(() => tensorOf(g)))
      const expected = golden.conventions.paper[direction]
      await expectNoLeak(async () => {
        const started = await Effect.runPromise(
          loraGa.init({ ...config, direction }, { site, rank: r, scale: s }, given)
        )
        const [A, B] = [await matrixOf(started.A), await matrixOf(started.B)]
        tf.dispose([started.A, started.B])
        // g, A and B rounded to float32 once each
        expect(deviation(A, expected.A)).toBeLessThan(tolerance.operation)
        expect(deviation(B, expected.B)).toBeLessThan(tolerance.operation)
        expect(deviation(combine([s, times(B, A)]), expected.s_BA)).toBeLessThan(tolerance.operation)
        const c = m ** 0.25 / Math.sqrt(gamma)
        const moved = combine([1 / c ** 2, times(B, transpose(B), g)], [1 / c ** 2, times(g, transpose(A), A)])
        expect(deviation(moved, expected.BBt_g_plus_g_AtA_over_c2)).toBeLessThan(tolerance.operation)
      })
      given.W.dispose()
    })
  }

  test("asks once, for the gradient of as many batches as it was told", async () => {
    const asked: Array<unknown> = []
    const given = source((where, wanted) => {
      asked.push([where.name, wanted])
      return Effect.sync(() => tensorOf(g))
    })
    tf.dispose(Object.values(await Effect.runPromise(loraGa.init(config, { site, rank: r, scale: s }, given))))
    expect(asked).toEqual([[site.name, { init: "lora-ga", what: "gradient", batches: 3 }]])
    expect(loraGa.calibration!(config)).toEqual({ what: "gradient", batches: 3 })
    given.W.dispose()
  })
})

describe("cannot start", () => {
  const reasons = {
    "0 everywhere": () => tf.zeros<tf.Rank.R2>([m, n]),
    "not finite": () => tensorOf(g.map((row, i) => row.map((x, j) => (i === 3 && j === 5 ? Number.NaN : x))))
  }
  for (const [reason, gradient] of Object.entries(reasons)) {
    test(`from a gradient that is ${reason}`, () =>
      expectNoLeak(async () => {
        const given = source(answering(gradient))
        const error = await Effect.runPromise(Effect.flip(loraGa.init(config, { site, rank: r, scale: s }, given)))
        given.W.dispose()
        expect(error.message).toStartWith(
          'adapter.init "lora-ga" cannot initialize some.site: its gradient over the first 3 '
        )
        expect(error.message).toContain(reason)
      }))
  }

  test("where W has fewer than 2r directions", () => {
    expect(loraGa.problem!(site, 8, config)).toBeUndefined()
    expect(loraGa.problem!(site, 9, config)).toBe(
      'rank 9 is larger than init "lora-ga" allows at some.site: it uses 2·rank singular directions of W [20, 16]\'s gradient, so at most 8'
    )
  })

  test("without data", () =>
    scoped(
      Effect.gen(function* () {
        const model = yield* tinyBert("mean")
        const options = { rank: 4, alpha: 8, scaling: "standard", init: config } as const
        const error = yield* Effect.flip(inject(model, lora, { ...options, targets: "all-linear" }))
        expect(error.message).toContain("it needs training data")
      })
    ))
})

describeOn("wasm", () => {
  const batches = [randomBatch(4, 8, 1), randomBatch(4, 6, 2)]
  const RANK = 4
  // as large as float32's digits ask, and as small as the first order allows
  const RATE = 1e-2

  const started = (init: LoraInit) =>
    Effect.gen(function* () {
      const model = yield* tinyBert("mean")
      const calibrate = yield* calibrating(model, { batches, loss: crossEntropy })
      const options = { rank: RANK, alpha: 8, scaling: "standard", init } as const
      return yield* inject(model, lora, { ...options, targets: "all-linear", calibrate })
    })

  const read = (tensor: tf.Tensor) => Effect.promise(() => matrixOf(tensor))

  /** cos(X, −g) */
  const along = (move: Matrix, gradient: Matrix) => -inner(move, gradient) / (norm(move) * norm(gradient))

  /** Of each site: g, and how a step of SGD over the same batches moves W. */
  const movedBy = (init: LoraInit) =>
    scoped(
      Effect.gen(function* () {
        const adapted = yield* started(init)
        const seen = fullGradients({ adapted, loss: crossEntropy }, batches, adapted.sites)
        const gradients = yield* Effect.forEach([...seen.values()], read)
        tf.dispose([...seen.values()])
        const before = yield* Effect.forEach(adapted.sites, (site) => read(adapted.merged(site, adapted.trainable)))
        const factors = yield* Effect.forEach(adapted.trainable.pairs, ({ A, B }) => Effect.all([read(A), read(B)]))
        const optimizer = scaleByLearningRate(RATE)
        const session = yield* openSession(adapted, { optimizer, loss: crossEntropy, accumulate: batches.length })
        const { loss } = yield* takeStep(session, batches)
        const moves = yield* Effect.forEach(adapted.trainable.pairs, ({ A, B, scale }, i) =>
          Effect.map(Effect.all([read(A), read(B)]), ([a, b]) =>
            combine([scale, times(b, a)], [-scale, times(factors[i]![1], factors[i]![0])])
          )
        )
        const losses = [loss, (yield* takeStep(session, batches)).loss]
        return { gradients, moves, losses, before }
      })
    )

  test("the first step moves W along −g, at every site as near as two rank-r factors can and nearer than from other starts", async () => {
    const own = await movedBy({ ...config, batches: batches.length })
    const plain = await movedBy({ kind: "kaiming" })
    expect(own.gradients).toHaveLength(12)
    own.gradients.forEach((gradient, i) => {
      // the head and the batches are the same, and both start as the base
      expect(deviation(plain.gradients[i]!, gradient)).toBeLessThan(tolerance.gradient)
      expect(deviation(plain.before[i]!, own.before[i]!)).toBeLessThan(tolerance.operation)
      // the best approximation of rank 2r has the cosine √(Σσ² of the first 2r / Σσ²)
      const best = Math.sqrt(sumOfSquares(gradient, 2 * RANK)) / norm(gradient)
      const cosine = along(own.moves[i]!, gradient)
      // second order in the rate, and roundings of factors that moved little: 1e-7 was seen
      expect(Math.abs(cosine - best)).toBeLessThan(1e-6)
      expect(cosine).toBeGreaterThan(along(plain.moves[i]!, gradient))
      expect(along(plain.moves[i]!, gradient)).toBeGreaterThan(0)
    })
    expect(own.losses[1]).toBeLessThan(own.losses[0]!)
  })
})

/** Of the largest `count` singular values, by power iterations on GᵀG with deflation. */
const sumOfSquares = (gradient: Matrix, count: number): number => {
  let gram = times(transpose(gradient), gradient)
  let total = 0
  for (let i = 0; i < count; i++) {
    let v: Matrix = gram.map((_, k) => [Math.cos(k + i)])
    for (let t = 0; t < 300; t++) {
      v = times(gram, v)
      v = combine([1 / norm(v), v])
    }
    const value = inner(v, times(gram, v))
    total += value
    gram = combine([1, gram], [-value, times(v, transpose(v))])
  }
  return total
}
