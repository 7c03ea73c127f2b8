/** Where A starts: the bounds and moments of PEFT's two distributions. */
import { expect, test } from "bun:test"
import { gaussian } from "../../adapters/init/gaussian.ts"
import { kaiming } from "../../adapters/init/kaiming.ts"
import { randomStream } from "../../src/tensors/random.ts"

const LENGTH = 20_000
// a sample mean of n numbers lies within 5 standard errors, σ/√n, of the mean; the variance of both within 5·√(2/n)
const STANDARD_ERRORS = 5 / Math.sqrt(LENGTH)

const momentsOf = (values: Float32Array) => {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length }
}

test("kaiming: uniform in ±1/√in, as PyTorch's kaiming_uniform_(a = √5)", () => {
  for (const fanIn of [4, 384]) {
    const values = kaiming(LENGTH, fanIn, randomStream(0, fanIn))
    const bound = 1 / Math.sqrt(fanIn)
    const { mean, variance } = momentsOf(values)
    expect(Math.max(...values)).toBeLessThanOrEqual(Math.fround(bound))
    expect(Math.max(...values)).toBeGreaterThan(0.999 * bound)
    expect(Math.min(...values)).toBeLessThan(-0.999 * bound)
    expect(Math.abs(mean)).toBeLessThan(bound * STANDARD_ERRORS)
    expect(Math.abs(variance / (bound ** 2 / 3) - 1)).toBeLessThan(Math.SQRT2 * STANDARD_ERRORS)
  }
})

test("gaussian: N(0, 1/r²)", () => {
  for (const rank of [1, 16]) {
    const { mean, variance } = momentsOf(gaussian(LENGTH, rank, randomStream(0, rank)))
    expect(Math.abs(mean)).toBeLessThan(STANDARD_ERRORS / rank)
    expect(Math.abs(variance * rank ** 2 - 1)).toBeLessThan(Math.SQRT2 * STANDARD_ERRORS)
  }
})
