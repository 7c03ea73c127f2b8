/**
 * The cost of a method compared with its gain: a method that takes twice the time, or many times the state, has to earn it.
 *
 * Times and gains are over the fresh runs of a table. A time is the median, which one run on a busy machine does not affect. The gain of a method
 * is its result minus the baseline or, without a baseline, minus the result before training.
 */
import * as Schema from "effect/Schema"
import type { Measure } from "../measure.ts"
import type { TrialResult } from "../study.ts"
import { mean, median } from "./statistics.ts"

const Numeric = Schema.NullOr(Schema.Finite)

export const Cost = Schema.Struct({
  /** median time of a step, in seconds: the median over the runs of each run's median */
  stepSeconds: Numeric,
  /** median training time of a run, in seconds */
  runSeconds: Numeric,
  /** improvement of the judged metric, positive if it is better; shares in 0 … 1 */
  gain: Numeric,
  gainPerSecond: Numeric,
  /** gain per MB of the optimizer's state; null for a method without state */
  gainPerMegabyte: Numeric
})
export type Cost = typeof Cost.Type

/** Number of timed runs of a table, and how many of them trained in parallel with another trial of the study. */
export const Beside = Schema.Struct({ runs: Schema.Int, beside: Schema.Int })
export type Beside = typeof Beside.Type

interface Reached {
  /** mean over the runs, and value of the baseline; null without one */
  readonly value: number | null
  readonly nothing: number | null
  readonly stateBytes: number | null
}

const numbers = (values: ReadonlyArray<number | null | undefined>): ReadonlyArray<number> =>
  values.filter((value) => typeof value === "number")

export const costOf = (
  runs: ReadonlyArray<TrialResult>,
  measure: Measure,
  { value, nothing, stateBytes }: Reached
): Cost => {
  const stepSeconds = median(numbers(runs.map((run) => run.stepSeconds)))
  const runSeconds = median(numbers(runs.map((run) => run.seconds)))
  const since = numbers(
    runs.map(({ before, after }) => {
      const [from, to] = [before?.[measure.name], after?.[measure.name]]
      return typeof from === "number" && typeof to === "number" ? to - from : null
    })
  )
  const moved = nothing === null ? (since.length === 0 ? null : mean(since)) : value === null ? null : value - nothing
  const gain = moved === null ? null : measure.better === "higher" ? moved : 0 - moved
  const per = (amount: number | null) => (gain === null || amount === null || amount === 0 ? null : gain / amount)
  return {
    stepSeconds,
    runSeconds,
    gain,
    gainPerSecond: per(runSeconds),
    gainPerMegabyte: per(stateBytes === null ? null : stateBytes / 1e6)
  }
}

/** Counts runs that trained in parallel; null if the results have no times. A run that two trials share counts once. */
export const besideOf = (ofMethod: ReadonlyArray<TrialResult>, all: ReadonlyArray<TrialResult>): Beside | null => {
  const timed = (results: ReadonlyArray<TrialResult>) => [
    ...new Map(
      results.flatMap(({ directory, began, ended }) =>
        began === undefined || ended === undefined ? [] : [[directory, { directory, began, ended }] as const]
      )
    ).values()
  ]
  const runs = timed(ofMethod)
  if (runs.length === 0) return null
  const timedRuns = timed(all)
  const beside = runs.filter((run) =>
    timedRuns.some((other) => other.directory !== run.directory && other.began < run.ended && run.began < other.ended)
  )
  return { runs: runs.length, beside: beside.length }
}
