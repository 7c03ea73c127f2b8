import { describe, expect, test } from "bun:test"
import { gaussian, randomStream, xoshiro128 } from "../../../src/numbers/random.ts"

const draw = (n: number, random: () => number) => Array.from({ length: n }, random)

describe("xoshiro128**", () => {
  test("gives the reference implementation's outputs from the state 1, 2, 3, 4", () => {
    // prng.di.unimi.it/xoshiro128starstar.c (1.1); the same list is in the tests of Rust's rand_xoshiro
    expect(draw(10, xoshiro128([1, 2, 3, 4]))).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804
    ])
  })
})

describe("randomStream", () => {
  test("depends on the seed and on every name, and on nothing else", () => {
    const first = draw(4, randomStream(0, "order", 1))
    expect(draw(4, randomStream(0, "order", 1))).toEqual(first)
    for (const other of [
      randomStream(1, "order", 1),
      randomStream(0, "order", 2),
      randomStream(0, "order", "1"),
      randomStream(0, "order1"),
      randomStream(0)
    ]) {
      expect(draw(4, other)).not.toEqual(first)
    }
  })

  test("keeps its numbers: a changed stream would silently change every seeded run", () => {
    expect(draw(3, randomStream(0, "order", 0))).toMatchInlineSnapshot(`
      [
        0.473986448746366,
        0.9543995481889007,
        0.40010127051280864,
      ]
    `)
  })

  test("is uniform: chi-squared of 64 bins over 64,000 draws", () => {
    const bins = new Array<number>(64).fill(0)
    const random = randomStream(7, "uniform")
    for (let i = 0; i < 64_000; i++) bins[Math.floor(random() * 64)]! += 1
    expect(bins.reduce((total, count) => total + count)).toBe(64_000) // none outside [0, 1)
    const chiSquared = bins.reduce((total, count) => total + (count - 1000) ** 2 / 1000, 0)
    // 63 degrees of freedom: mean 63, standard deviation 11.2; five deviations either way
    expect(chiSquared).toBeGreaterThan(63 - 5 * 11.2)
    expect(chiSquared).toBeLessThan(63 + 5 * 11.2)
  })

  test("neighbouring seeds are uncorrelated", () => {
    const n = 20_000
    const [a, b] = [draw(n, randomStream(1, "x")), draw(n, randomStream(2, "x"))]
    const covariance = a.reduce((total, value, i) => total + (value - 0.5) * (b[i]! - 0.5), 0) / n
    // standard deviation of the product's mean is (1/12)/√n = 5.9e-4; five of them
    expect(Math.abs(covariance)).toBeLessThan(3e-3)
  })
})

test("gaussian: mean, variance, skewness and kurtosis of 100,000 draws", () => {
  const n = 100_000
  const random = randomStream(3, "gaussian")
  const values = Array.from({ length: n }, () => gaussian(random))
  const moment = (k: number) => values.reduce((total, value) => total + value ** k, 0) / n
  // five standard errors: √(1/n), √(2/n), √(15/n), √(96/n)
  expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / n))
  expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / n))
  expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / n))
  expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / n))
})
