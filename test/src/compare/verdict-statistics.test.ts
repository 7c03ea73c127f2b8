/**
 * The statistics of a verdict: Student's t against SciPy 1.17.1 (`scipy.stats.t.isf`, `.sf`, `.interval`, `ttest_rel`), Holm's procedure
 * against a worked example, and what it is for: how often tables of equal methods are called different.
 */
import { describe, expect, test } from "bun:test"
import {
  estimate,
  holm,
  mean,
  probabilityOfNone,
  standardDeviation,
  twoSidedProbability,
  twoSidedQuantile
} from "../../../src/compare/verdict/statistics.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import { expectClose } from "../../setup.ts"

/** The table has twelve digits, of which the implementation promises nine. */
const DIGITS = 1e-9

describe("Student's t", () => {
  const levels = [0.5, 0.95, 0.99, 0.9975]
  const table = [
    [1, [1, 12.7062047362, 63.6567411629, 254.646599949]],
    [2, [0.816496580928, 4.30265272975, 9.92484320092, 19.9624804516]],
    [3, [0.764892328404, 3.18244630528, 5.84090930973, 9.46489966354]],
    [4, [0.740697084113, 2.7764451052, 4.60409487135, 6.7582528327]],
    [9, [0.702722146751, 2.2621571628, 3.24983554159, 4.14578882844]],
    [29, [0.683043860822, 2.04522964213, 2.75638590367, 3.3102285831]],
    [1000, [0.674735164607, 1.96233908083, 2.58075469807, 3.0310239472]]
  ] as const

  test("quantiles from 1 to 1,000 degrees of freedom", () => {
    for (const [degrees, expected] of table) {
      for (const [i, level] of levels.entries()) {
        expectClose([twoSidedQuantile(level, degrees)], [expected[i]!], DIGITS)
      }
    }
  })

  test("probabilities, near 0 and far out", () => {
    const rows = [
      [0.5, 1, 0.704832764699],
      [2.776445105, 4, 0.05],
      [5, 3, 0.0153924380733],
      [12, 9, 7.69988622299e-7],
      [0.001, 7, 0.999230017245],
      [40, 2, 0.000624414672185]
    ] as const
    for (const [t, degrees, expected] of rows) {
      expectClose([twoSidedProbability(t, degrees)], [expected], DIGITS)
      expect(twoSidedProbability(-t, degrees)).toBe(twoSidedProbability(t, degrees))
    }
    expect(twoSidedProbability(0, 5)).toBe(1)
    expect(twoSidedProbability(Number.POSITIVE_INFINITY, 5)).toBe(0)
  })

  test("a quantile is where its probability is", () => {
    for (const degrees of [1, 2, 5, 19, 250]) {
      for (const level of [0.01, 0.6, 0.95, 0.9999]) {
        expectClose([twoSidedProbability(twoSidedQuantile(level, degrees), degrees)], [1 - level], DIGITS)
      }
    }
  })
})

describe("a sample", () => {
  test("mean, deviation and interval", () => {
    const found = estimate([87.1, 88.3, 88.0, 86.9, 88.6], 0.95)!
    expectClose([found.mean, found.deviation!], [87.78, 0.7463243262818092], DIGITS)
    expectClose(found.interval!, [86.8533159530722, 88.7066840469278], DIGITS)
  })

  test("a paired difference as SciPy's ttest_rel", () => {
    const own = [0.875, 0.8825, 0.88, 0.87, 0.89]
    const other = [0.86, 0.87, 0.8775, 0.868, 0.87]
    const differences = own.map((value, i) => value - other[i]!)
    expectClose([probabilityOfNone(differences)!], [0.04249676047970777], DIGITS)
    expectClose(estimate(differences, 0.95)!.interval!, [0.0005700510969290605, 0.02022994890307096], DIGITS)
    expectClose(estimate(differences, 0.975)!.interval!, [-0.001975415472037516, 0.022775415472037555], DIGITS)
  })

  test("one value and equal values have a mean and no interval", () => {
    expect(estimate([0.9], 0.95)).toEqual({ n: 1, mean: 0.9, deviation: null, interval: null })
    // 0.1 summed three times and divided is not 0.1: the deviation is 0 all the same
    expect(estimate([0.1, 0.1, 0.1], 0.95)!.deviation).toBe(0)
    expect(estimate([0.1, 0.1, 0.1], 0.95)!.interval).toBeNull()
    expect(probabilityOfNone([0.1, 0.1, 0.1])).toBeNull()
    expect(probabilityOfNone([0.1])).toBeNull()
    expect(estimate([], 0.95)).toBeNull()
    expect(standardDeviation([1])).toBeNaN()
  })
})

/** Normal numbers around `centre`, by Box and Muller. */
const normal = (random: () => number, count: number, centre = 0) =>
  Array.from(
    { length: count },
    () => centre + Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  )

describe("Holm's procedure", () => {
  test("a worked example", () => {
    const tested = holm([0.01, 0.04, 0.03, 0.005], 0.05)
    expectClose(
      tested.map(({ adjusted }) => adjusted),
      [0.03, 0.06, 0.06, 0.02],
      DIGITS
    )
    expect(tested.map(({ isSignificant }) => isSignificant)).toEqual([true, false, false, true])
    // the last two are held to the level of the first that did not pass
    expectClose(
      tested.map(({ level }) => level),
      [1 - 0.05 / 3, 0.975, 0.975, 1 - 0.05 / 4],
      DIGITS
    )
  })

  test("the interval leaves out 0 exactly where a difference is called", () => {
    const random = randomStream(3, "holm")
    let called = 0
    for (let table = 0; table < 200; table++) {
      const samples = Array.from({ length: 8 }, (_, i) => normal(random, 5, i % 2 === 0 ? 0 : 2))
      const tested = holm(
        samples.map((sample) => probabilityOfNone(sample)!),
        0.05
      )
      for (const [i, { isSignificant: is, level, adjusted }] of tested.entries()) {
        const [low, high] = estimate(samples[i]!, level)!.interval!
        expect(low > 0 || high < 0).toBe(is)
        expect(adjusted < 0.05).toBe(is)
        if (is) called++
      }
    }
    expect(called).toBeGreaterThan(100)
  })

  test("equal methods are called different in 5 % of tables, and without the correction in nearly half", () => {
    const random = randomStream(5, "equal")
    const tables = 2000
    let corrected = 0
    let each = 0
    for (let table = 0; table < tables; table++) {
      const probabilities = Array.from({ length: 11 }, () => probabilityOfNone(normal(random, 5))!)
      if (holm(probabilities, 0.05).some(({ isSignificant }) => isSignificant)) corrected++
      if (probabilities.some((p) => p < 0.05)) each++
    }
    // four standard errors of a share of 5 % among 2,000
    expect(corrected / tables).toBeLessThan(0.05 + 4 * Math.sqrt((0.05 * 0.95) / tables))
    expect(corrected).toBeGreaterThan(0)
    expect(each / tables).toBeGreaterThan(0.35)
  })

  test("an interval of 95 % holds the true mean in 95 % of samples", () => {
    const random = randomStream(7, "coverage")
    const samples = 4000
    const held = Array.from({ length: samples }, () => estimate(normal(random, 3, 1), 0.95)!.interval!).filter(
      ([low, high]) => low < 1 && 1 < high
    )
    expect(Math.abs(held.length / samples - 0.95)).toBeLessThan(4 * Math.sqrt((0.95 * 0.05) / samples))
  })
})

test("the mean of nothing is not a number", () => expect(mean([])).toBeNaN())
