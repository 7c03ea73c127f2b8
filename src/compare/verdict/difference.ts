/**
 * Two methods on the same seeds: the difference seed by seed, and the claim that it supports.
 *
 * Runs of one seed see the same rows in the same order and start with the same head, so the pairs share most of their luck, and their differences
 * vary less than the runs do. Claims come from Holm's procedure over all differences of a table. The reported interval has the level at which the
 * difference was tested: it excludes 0 exactly where there is a claim.
 */

import * as Schema from "effect/Schema"
import { counted } from "../../boundary/index.ts"
import { inPoints, isBetter, type Measure, signed, sizeOf } from "../measure.ts"
import { estimate, holm, probabilityOfNone } from "./statistics.ts"

/** Probability of even one false claim in a table. */
const ALPHA = 0.05

const Interval = Schema.NullOr(Schema.Tuple([Schema.Finite, Schema.Finite]))

export const Difference = Schema.Struct({
  /** the compared baseline: a method, its rank, and both in words */
  method: Schema.String,
  rank: Schema.NullOr(Schema.Int),
  name: Schema.String,
  /** number of seeds at which both runs finished */
  pairs: Schema.Int,
  /** number of seeds at which this method's run failed, and at which the baseline's did */
  failed: Schema.Int,
  baselineFailed: Schema.Int,
  /** mean of the judged metric, this method's minus the baseline's; null without a pair */
  mean: Schema.NullOr(Schema.Finite),
  deviation: Schema.NullOr(Schema.Finite),
  /** 95 % interval of this difference alone */
  interval95: Interval,
  /** p-value of the paired t test of this difference alone; null if there is no interval */
  probability: Schema.NullOr(Schema.Finite),
  /** the same p-value, corrected for all differences of the table */
  adjusted: Schema.NullOr(Schema.Finite),
  /** level at which Holm's procedure tested the difference, and the interval at that level */
  level: Schema.NullOr(Schema.Finite),
  interval: Interval,
  claim: Schema.Literals(["ahead", "behind", "not told apart", "nothing said"]),
  /** the claim as a sentence */
  words: Schema.String
})
export type Difference = typeof Difference.Type

/** Scores of one method × rank by seed; null if the run failed. */
export type BySeed = ReadonlyMap<number, number | null>

/** Two methods to compare. */
export interface Comparison {
  readonly method: string
  readonly rank: number | null
  readonly name: string
  readonly scores: BySeed
  readonly baseline: BySeed
}

const failures = (runs: BySeed): number => [...runs.values()].filter((value) => value === null).length

// Accuracies, for instance, are whole numbers of rows over their count: what differs beyond twelve decimals is the rounding of the subtraction, and
// differences that are equal but for it have no spread.
const withoutRounding = (difference: number): number => Number(difference.toFixed(12))

const paired = ({ scores, baseline }: Comparison): ReadonlyArray<number> =>
  [...scores].flatMap(([seed, score]) => {
    const baselineScore = baseline.get(seed)
    return score === null || baselineScore === null || baselineScore === undefined
      ? []
      : [withoutRounding(score - baselineScore)]
  })

/** Returns all differences of a table, corrected together, in the order of the comparisons. */
export const differencesOf = (comparisons: ReadonlyArray<Comparison>, measure: Measure): ReadonlyArray<Difference> => {
  const values = comparisons.map(paired)
  const probabilities = values.map(probabilityOfNone)
  const testable = probabilities.flatMap((p, i) => (p === null ? [] : [{ p, i }]))
  const tested = holm(
    testable.map(({ p }) => p),
    ALPHA
  )
  const at = new Map(testable.map(({ i }, rank) => [i, tested[rank]!]))
  return comparisons.map((comparison, i) => {
    const differences = values[i]!
    const alone = estimate(differences, 1 - ALPHA)
    const test = at.get(i)
    const facts = {
      method: comparison.method,
      rank: comparison.rank,
      name: comparison.name,
      pairs: differences.length,
      failed: failures(comparison.scores),
      baselineFailed: failures(comparison.baseline),
      mean: alone?.mean ?? null,
      deviation: alone?.deviation ?? null,
      interval95: alone?.interval ?? null,
      probability: probabilities[i]!,
      adjusted: test?.adjusted ?? null,
      level: test?.level ?? null,
      interval: test === undefined ? null : (estimate(differences, test.level)?.interval ?? null)
    }
    const claim = claimOf(facts, test?.isSignificant ?? false, measure)
    return { ...facts, claim, words: inWords(measure, facts, claim) }
  })
}

type Facts = Omit<Difference, "claim" | "words">

/**
 * Returns the claim of a difference: none without an interval. If runs failed, the remaining pairs are survivors and do not count in favor of the
 * method that failed.
 */
const claimOf = (
  { interval, mean, failed, baselineFailed }: Facts,
  isSignificant: boolean,
  measure: Measure
): Difference["claim"] => {
  if (interval === null || mean === null) return "nothing said"
  if (!isSignificant) return "not told apart"
  const claim = isBetter(measure, mean) ? "ahead" : "behind"
  return (claim === "ahead" && failed > 0) || (claim === "behind" && baselineFailed > 0) ? "nothing said" : claim
}

const between = (measure: Measure, [low, high]: readonly [number, number]): string =>
  `interval ${signed(measure, low)} to ${signed(measure, high)}`

const survivors = ({
  failed,
  baselineFailed,
  pairs,
  name
}: Pick<Difference, "failed" | "baselineFailed" | "pairs" | "name">) => {
  if (failed + baselineFailed === 0) return null
  const who = [failed > 0 ? `${failed} of its runs` : "", baselineFailed > 0 ? `${baselineFailed} of ${name}` : ""]
  const failures = who.filter((part) => part !== "").join(" and ")
  return `${failures} failed, over the ${counted(pairs, "seed")} left`
}

/** Returns a claim in words. `name`: of the baseline, or null if the table's column names it. */
const claimText = (
  measure: Measure,
  { mean, interval, pairs, claim }: Omit<Difference, "words">,
  name: string | null
): string => {
  const [size, points] = [sizeOf(measure, mean ?? 0), `${signed(measure, mean ?? 0)}${inPoints(measure)}`]
  const after = (word: string) => (name === null ? "" : ` ${word}${name}`)
  if (mean === null) return `no seed with which both${name === null ? "" : ` this and ${name}`} ended well`
  if (claim === "ahead") return `ahead${after("of ")} by ${size}${inPoints(measure)}`
  if (claim === "behind") return `behind${after("")} by ${size}${inPoints(measure)}`
  if (claim === "not told apart") return `not distinguishable${after("from ")}: ${points}`
  const seen = `${points}${after("compared with ")}`
  if (interval !== null) return `${seen}, inconclusive`
  return pairs === 1 ? `${seen} on one seed (no interval)` : `${seen} on each of ${pairs} seeds (no interval)`
}

/** Returns the parts of a difference, for a table whose column names the baseline. */
export const briefly = (measure: Measure, difference: Omit<Difference, "words">) => ({
  said: claimText(measure, difference, null),
  interval: difference.interval === null ? null : between(measure, difference.interval),
  note: survivors(difference)
})

const inWords = (measure: Measure, facts: Facts, claim: Difference["claim"]): string => {
  const range = facts.interval === null ? "" : ` (${between(measure, facts.interval)})`
  const note = survivors(facts)
  return `${claimText(measure, { ...facts, claim }, facts.name)}${range}${note === null ? "" : `; ${note}`}`
}

const turned = (interval: readonly [number, number] | null) =>
  interval === null ? null : ([-interval[1], -interval[0]] as const)

const negated = (value: number | null): number | null => (value === null ? null : value === 0 ? 0 : -value)

/** Returns the same difference from the baseline's side. `of`: the method that the result names as the baseline. Both are one test. */
export const fromOtherSide = (
  difference: Difference,
  of: { readonly method: string; readonly rank: number | null; readonly name: string },
  measure: Measure
): Difference => {
  const { claim: _, words: __, ...facts } = difference
  const reversed: Facts = {
    ...facts,
    ...of,
    failed: facts.baselineFailed,
    baselineFailed: facts.failed,
    mean: negated(facts.mean),
    interval95: turned(facts.interval95),
    interval: turned(facts.interval)
  }
  const claim = difference.claim === "ahead" ? "behind" : difference.claim === "behind" ? "ahead" : difference.claim
  return { ...reversed, claim, words: inWords(measure, reversed, claim) }
}
