/** Where A starts: the bounds and moments of PEFT's two distributions. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { noCalibration } from "../../adapters/init/calibration.ts"
import { gaussian } from "../../adapters/init/gaussian.ts"
import type { Initializer } from "../../adapters/init/initializer.ts"
import { kaiming } from "../../adapters/init/kaiming.ts"
import { randomStream } from "../../src/numbers/random.ts"

const LENGTH = 20_000
// a sample mean of n numbers lies within 5 standard errors, σ/√n, of the mean; the variance of both within 5·√(2/n)
const STANDARD_ERRORS = 5 / Math.sqrt(LENGTH)

const momentsOf = (values: Float32Array) => {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length }
}

/** A of a site that has as many inputs, and that B is 0. */
const startOf = async (init: Initializer<unknown>, fanIn: number, rank: number): Promise<Float32Array> => {
  const site = { name: "some.site", kind: "dense", out: 3, in: fanIn } as const
  const W = tf.zeros<tf.Rank.R2>([3, fanIn])
  const source = { W, bias: null, random: randomStream(0, fanIn, rank), calibrate: noCalibration }
  const { A, B } = await Effect.runPromise(init.init(undefined, { site, rank, scale: 1 }, source))
  expect(A.shape).toEqual([rank, fanIn])
  expect(await B.data()).toEqual(new Float32Array(3 * rank))
  const values = (await A.data()) as Float32Array
  tf.dispose([A, B, W])
  return values
}

test("kaiming: uniform in ±1/√in, as PyTorch's kaiming_uniform_(a = √5)", async () => {
  for (const fanIn of [4, 384]) {
    const values = await startOf(kaiming, fanIn, Math.ceil(LENGTH / fanIn))
    const bound = 1 / Math.sqrt(fanIn)
    const { mean, variance } = momentsOf(values)
    expect(Math.max(...values)).toBeLessThanOrEqual(Math.fround(bound))
    expect(Math.max(...values)).toBeGreaterThan(0.999 * bound)
    expect(Math.min(...values)).toBeLessThan(-0.999 * bound)
    expect(Math.abs(mean)).toBeLessThan(bound * STANDARD_ERRORS)
    expect(Math.abs(variance / (bound ** 2 / 3) - 1)).toBeLessThan(Math.SQRT2 * STANDARD_ERRORS)
  }
})

test("gaussian: N(0, 1/r²)", async () => {
  for (const rank of [1, 16]) {
    const { mean, variance } = momentsOf(await startOf(gaussian, LENGTH / rank, rank))
    expect(Math.abs(mean)).toBeLessThan(STANDARD_ERRORS / rank)
    expect(Math.abs(variance * rank ** 2 - 1)).toBeLessThan(Math.SQRT2 * STANDARD_ERRORS)
  }
})
