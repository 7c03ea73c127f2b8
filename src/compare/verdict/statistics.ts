/**
 * Statistics of small samples (mean, standard deviation, an interval for the mean), and Holm's correction for several comparisons.
 *
 *   x̄ ± t · s/√n     t: Student's quantile with n − 1 degrees of freedom (Student 1908)
 *
 * Values are assumed to be independent and roughly normal. One value, or a spread of exactly 0, gives no interval: discrete values (hits of 800
 * rows) can agree by chance, and an interval of width 0 would suggest certainty.
 */

/** Two numbers, the smaller first. */
export type Interval = readonly [number, number]

/** Returns the mean of values; NaN for no values. */
export const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Returns the median of values, the mean of the two middle ones for an even number; null for no values. */
export const median = (values: ReadonlyArray<number>): number | null => {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Returns the standard deviation with divisor n − 1; NaN for fewer than two values. */
export const standardDeviation = (values: ReadonlyArray<number>): number => {
  if (values.length < 2) return Number.NaN
  if (values.every((value) => value === values[0])) return 0 // exactly, whatever the mean rounds to
  const centre = mean(values)
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0)
  return Math.sqrt(squares / (values.length - 1))
}

/** Mean of a sample, its standard deviation, and an interval for the true mean. */
export interface Estimate {
  readonly n: number
  readonly mean: number
  /** null for one value */
  readonly deviation: number | null
  /** interval for the true mean at the requested level; null if the values give none */
  readonly interval: Interval | null
}

/**
 * Estimates the mean of a sample. `level` in (0, 1): the share of samples whose interval contains the true mean. Returns null for no values.
 *
 * @example
 * import { estimate } from "./statistics.ts"
 *
 * console.log(estimate([87.1, 88.3, 88.0, 86.9, 88.6], 0.95)) // { n: 5, mean: 87.78, deviation: 0.746, interval: [86.85, 88.71] }
 */
export const estimate = (values: ReadonlyArray<number>, level: number): Estimate | null => {
  const n = values.length
  if (n === 0) return null
  const centre = mean(values)
  if (n === 1) return { n, mean: centre, deviation: null, interval: null }
  const deviation = standardDeviation(values)
  if (deviation === 0) return { n, mean: centre, deviation, interval: null }
  const half = (twoSidedQuantile(level, n - 1) * deviation) / Math.sqrt(n)
  return { n, mean: centre, deviation, interval: [centre - half, centre + half] }
}

/**
 * Returns the p-value of a mean at least this far from 0 if the true mean is 0 (one-sample t test; of differences, the paired test). Returns null
 * if there is no interval either.
 */
export const probabilityOfNone = (values: ReadonlyArray<number>): number | null => {
  const deviation = standardDeviation(values)
  if (!(deviation > 0)) return null
  return twoSidedProbability(mean(values) / (deviation / Math.sqrt(values.length)), values.length - 1)
}

/**
 * Student's t distribution: how far the mean of a few seeds may be from the truth.
 *
 *   P(|T| > t) = I_x(ν/2, 1/2)   with x = ν/(ν + t²)
 *
 * I is the regularized incomplete beta function, by its continued fraction (DLMF 8.17.22) with Lentz's method; ln Γ by Lanczos'
 * series (g = 7, n = 9). Float64: relative errors below 1e-9 for ν from 1 to 1e5. The quantile is found by bisection.
 */
// Lanczos' coefficients for g = 7, n = 9 (P. Godfrey 2001, "A note on the computation of the convergent Lanczos complex gamma approximation")
const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7
]

/** Returns ln Γ(z) for z ≥ 1/2. */
const lnGamma = (z: number): number => {
  const x = z - 1
  const sum = lanczos.reduce((total, coefficient, i) => total + (i === 0 ? coefficient : coefficient / (x + i)), 0)
  const t = x + 7.5
  return 0.5 * Math.log(2 * Math.PI) + (x + 0.5) * Math.log(t) - t + Math.log(sum)
}

// far more than the O(√max(a, b)) that the fraction takes
const TERMS = 10_000
const TINY = 1e-300

/** Returns the continued fraction of I_x(a, b), for x < (a + 1)/(a + b + 2). */
const betaFraction = (a: number, b: number, x: number): number => {
  const bounded = (value: number) => (Math.abs(value) < TINY ? TINY : value)
  let c = 1
  let d = 1 / bounded(1 - ((a + b) * x) / (a + 1))
  let fraction = d
  for (let m = 1; m <= TERMS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    let change = 1
    for (const term of [even, odd]) {
      d = 1 / bounded(1 + term * d)
      c = bounded(1 + term / c)
      change = c * d
      fraction *= change
    }
    if (Math.abs(change - 1) < 2e-16) return fraction
  }
  return fraction
}

/** Returns I_x(a, b). `rest`: 1 − x, a separate argument to keep its digits where x is near 1. */
const incompleteBeta = (a: number, b: number, x: number, rest: number): number => {
  if (x <= 0) return 0
  if (rest <= 0) return 1
  const front = Math.exp(lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log(rest))
  if (x < (a + 1) / (a + b + 2)) return (front * betaFraction(a, b, x)) / a
  return 1 - (front * betaFraction(b, a, rest)) / b
}

/**
 * Returns P(|T| ≥ |t|) for T with `degrees` > 0 degrees of freedom: the two-sided p-value of t. 1 at t = 0, 0 at ±∞.
 *
 * @example
 * import { twoSidedProbability } from "./statistics.ts"
 *
 * console.log(twoSidedProbability(2.776445105, 4)) // 0.05
 */
export const twoSidedProbability = (t: number, degrees: number): number => {
  if (!Number.isFinite(t)) return Number.isNaN(t) ? Number.NaN : 0
  const square = t * t
  return incompleteBeta(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square))
}

/**
 * Returns the t that |T| exceeds with probability 1 − `level`: half the width of an interval of that level, in standard errors. `level` in (0, 1),
 * `degrees` ≥ 1.
 *
 * @example
 * import { twoSidedQuantile } from "./statistics.ts"
 *
 * console.log(twoSidedQuantile(0.95, 4)) // 2.776
 */
export const twoSidedQuantile = (level: number, degrees: number): number => {
  const outside = 1 - level
  let low = 0
  let high = 1
  while (twoSidedProbability(high, degrees) > outside) {
    low = high
    high *= 2
  }
  // halving stops where there is no number between the two
  for (let middle = (low + high) / 2; middle > low && middle < high; middle = (low + high) / 2) {
    if (twoSidedProbability(middle, degrees) > outside) low = middle
    else high = middle
  }
  return high
}

/** Result of one comparison. */
interface Tested {
  /** smallest α at which the procedure finds a difference */
  readonly adjusted: number
  /**
   * Level of the equivalent interval, which excludes 0 exactly if the procedure finds a difference: 1 − α/(m − k + 1) of the step at which the
   * comparison was decided; after the first comparison that does not pass, the level of that one.
   */
  readonly level: number
  readonly isSignificant: boolean
}

/**
 * Corrects several comparisons at once: with eleven of them at 5 %, one is "significant" by chance almost every second time.
 *
 * Holm's procedure (1979, Scand. J. Statist. 6, 65–70) keeps the probability of even one false positive at α, however the comparisons depend on
 * each other. In order of p, the k-th of m is tested at α/(m − k + 1), until one does not pass; none after it does.
 *
 * `probabilities`: p-value of each comparison, in any order. Results are in the same order.
 */
export const holm = (probabilities: ReadonlyArray<number>, alpha: number): ReadonlyArray<Tested> => {
  const m = probabilities.length
  const order = probabilities.map((_, i) => i).sort((a, b) => probabilities[a]! - probabilities[b]!)
  const tested = new Array<Tested>(m)
  let adjusted = 0
  let passing = true
  let level = 1
  for (const [step, i] of order.entries()) {
    const p = probabilities[i]!
    adjusted = Math.min(1, Math.max(adjusted, (m - step) * p))
    if (passing) {
      level = 1 - alpha / (m - step)
      passing = p < alpha / (m - step)
    }
    tested[i] = { adjusted, level, isSignificant: passing }
  }
  return tested
}
