/**
 * EVA: the rows of A are the leading directions of the covariance of a site's inputs, B is 0, and what cannot start says why and leaves
 * nothing behind.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { Calibrate } from "../../adapters/init/calibration.ts"
import { eva } from "../../adapters/init/eva.ts"
import { randomStream } from "../../src/numbers/random.ts"
import { describeOnEach } from "../backends.ts"
import { expectNoLeak, tolerance } from "../setup.ts"
import {
  combine,
  deviation,
  identity,
  inner,
  type Matrix,
  make,
  orthonormal,
  random,
  randomMatrix,
  times,
  transpose
} from "../src/optimizers/matrix.ts"
import { matrixOf, tensorOf } from "../src/optimizers/tensors.ts"

const WIDTH = 30
const RANK = 4
const site = { name: "some.site", kind: "dense", out: 7, in: WIDTH } as const
const config = { kind: "eva", batches: 2 } as const

const start = (calibrate: Calibrate) => {
  const W = tf.zeros<tf.Rank.R2>([site.out, site.in])
  const source = { W, bias: null, random: randomStream(0, site.name), calibrate }
  return eva.init(config, { site, rank: RANK, scale: 2 }, source).pipe(Effect.ensuring(Effect.sync(() => W.dispose())))
}

/** V diag(λ) Vᵀ with λ = 1, 0.7, 0.49, … */
const V = orthonormal(randomMatrix(WIDTH, WIDTH, random(3)))
const variances = Array.from({ length: WIDTH }, (_, i) => 0.7 ** i)
const C: Matrix = times(
  V,
  make(WIDTH, WIDTH, (i, j) => (i === j ? variances[i]! : 0)),
  transpose(V)
)

describeOnEach(() => {
  test("A has the leading directions as rows of length 1, B is 0", () =>
    expectNoLeak(async () => {
      const asked: Array<unknown> = []
      const started = await Effect.runPromise(
        start((where, wanted) => {
          asked.push([where.name, wanted])
          return Effect.sync(() => tensorOf(C))
        })
      )
      expect(asked).toEqual([[site.name, { init: "eva", what: "inputs", batches: 2 }]])
      const A = await matrixOf(started.A)
      expect(await started.B.data()).toEqual(new Float32Array(site.out * RANK))
      expect(started.B.shape).toEqual([site.out, RANK])
      tf.dispose([started.A, started.B])
      expect(deviation(times(A, transpose(A)), identity(RANK))).toBeLessThan(tolerance.operation)
      // C rounded to float32 turns directions by ε over the gap of their variances, 0.3·λ; and 14 of 30 directions are looked at, so
      // that what is beyond them falls by (λ₁₅/λ₄)^9 = 1e-5 of an angle
      const leading = transpose(V).slice(0, RANK)
      expect(deviation(times(transpose(A), A), times(transpose(leading), leading))).toBeLessThan(1e-5)
      // and no r directions see more of the variance
      const seen = inner(A, times(A, C))
      const most = variances.slice(0, RANK).reduce((sum, x) => sum + x, 0)
      expect(Math.abs(seen / most - 1)).toBeLessThan(tolerance.operation)
      expect(deviation(combine([1, times(A, C)]), times(times(A, C, transpose(A)), A))).toBeLessThan(1e-5)
    }))
})

describe("cannot start", () => {
  const reasons = {
    "are all equal": () => tf.zeros<tf.Rank.R2>([WIDTH, WIDTH]),
    "are not finite": () => tensorOf(C.map((row, i) => row.map((x) => (i === 5 ? Number.NaN : x))))
  }
  for (const [reason, covariance] of Object.entries(reasons)) {
    test(`where the inputs ${reason}`, () =>
      expectNoLeak(async () => {
        const error = await Effect.runPromise(Effect.flip(start(() => Effect.sync(covariance))))
        expect(error.message).toStartWith(
          'adapter.init "eva" cannot initialize some.site: its inputs over the first 2 '
        )
        expect(error.message).toContain(reason)
      }))
  }
})
