/**
 * What a few numbers say of the mean they were drawn around: mean, standard deviation, and an interval for the mean.
 *
 *   x̄ ± t · s/√n     t: Student's quantile with n − 1 degrees of freedom (Student 1908)
 *
 * The numbers are taken to be independent and about normal; with one of them, or with a spread of exactly 0, there is no interval:
 * numbers that come in steps (hits of 800 rows) can agree by chance, and a width of 0 would call that certain.
 */
import { twoSidedProbability, twoSidedQuantile } from "./student-t.ts"

/** Two numbers, the smaller first. */
export type Interval = readonly [number, number]

/** NaN for no values. */
export const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** With n − 1 below the line; NaN for fewer than two values. */
export const standardDeviation = (values: ReadonlyArray<number>): number => {
  if (values.length < 2) return Number.NaN
  if (values.every((value) => value === values[0])) return 0 // exactly, whatever the mean rounds to
  const centre = mean(values)
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0)
  return Math.sqrt(squares / (values.length - 1))
}

/** Mean of a sample, its spread, and what both say of the true mean. */
export interface Estimate {
  readonly n: number
  readonly mean: number
  /** null for one value */
  readonly deviation: number | null
  /** for the true mean, at the level asked for; null where the values give none */
  readonly interval: Interval | null
}

/**
 * `level` in (0, 1) is the share of samples whose interval holds the true mean. null for no values.
 *
 * @example
 * estimate([87.1, 88.3, 88.0, 86.9, 88.6], 0.95) // 87.8, from 86.8 to 88.7
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
 * The probability of a mean at least so far from 0 if the true one were 0 (one-sample t test; of differences, the paired one). null
 * where there is no interval either.
 */
export const probabilityOfNone = (values: ReadonlyArray<number>): number | null => {
  const deviation = standardDeviation(values)
  if (!(deviation > 0)) return null
  return twoSidedProbability(mean(values) / (deviation / Math.sqrt(values.length)), values.length - 1)
}
