/**
 * Means over rows with their intervals, and what several samples of a row say.
 *
 *   mean        with the 95 % interval of the bootstrap over rows: percentiles of the means of 2,000 draws with replacement (Efron 1979)
 *   pass@k      1 − C(n − c, k)/C(n, k): the probability that k of n samples, c of them right, contain a right one (Chen et al. 2021)
 *   majority    the score of the answer that most samples agree on, the earliest among equals
 */
import { randomStream } from "../numbers/index.ts"

/** A mean over rows, with its 95 % interval. */
export interface RowMean {
  /** mean */
  readonly mean: number
  /** lower end of the interval */
  readonly low: number
  /** upper end of the interval */
  readonly high: number
}

const DRAWS = 2000
/** Of the bootstrap's random numbers, so that a report has the same intervals whenever it is made. */
const SEED = 0

/** Returns the mean of one value per row, at least one, with its interval. */
export const rowMean = (values: ReadonlyArray<number>): RowMean => {
  const count = values.length
  const sum = values.reduce((total, value) => total + value, 0)
  const random = randomStream(SEED, "bootstrap")
  const means = Float64Array.from({ length: DRAWS }, () => {
    let drawn = 0
    for (let i = 0; i < count; i++) drawn += values[Math.floor(random() * count)]!
    return drawn / count
  }).sort()
  const at = (share: number) => means[Math.round(share * (DRAWS - 1))]!
  return { mean: sum / count, low: at(0.025), high: at(0.975) }
}

/** Returns pass@k of a row with `right` of `samples` samples right; 1 ≤ k ≤ samples. */
export const passAtK = (samples: number, right: number, k: number): number => {
  let fails = 1
  for (let i = samples - right + 1; i <= samples; i++) fails *= Math.max(0, 1 - k / i)
  return 1 - fails
}

/** A sample of a row, for a majority vote. */
export interface Ballot {
  /** answer that it votes for */
  readonly vote: string
  /** its score */
  readonly score: number
}

/** Returns the score of the answer that most samples of a row agree on. */
export const majority = (samples: ReadonlyArray<Ballot>): number => {
  const counts = new Map<string, number>()
  for (const { vote } of samples) counts.set(vote, (counts.get(vote) ?? 0) + 1)
  const most = Math.max(...counts.values())
  return samples.find(({ vote }) => counts.get(vote) === most)!.score
}
