/**
 * The rate that each method × rank continues with: lowest validation loss, mean over the sweep's seeds; of equals the smaller rate.
 *
 * The loss, although the verdict is about another metric: on 240 rows an accuracy, say, moves in steps of 0.4 points with a
 * standard error of 2, so neighbouring rates tie or change places by chance, while the loss sees every row's probability.
 * A rate at which a seed failed comes after every rate at which fewer did: a mean over the survivors would hide that it diverges.
 */
import type { BestRate, TrialResult } from "../study.ts"
import { mean } from "./statistics.ts"

/** One rate of a sweep. */
interface RatePoint {
  readonly learningRate: number
  readonly done: number
  readonly failed: number
  /** mean over the seeds that finished; null if none did, or if there is no validation split */
  readonly loss: number | null
  /** the other metrics, by name */
  readonly scores: Readonly<Record<string, number | null>>
  /** share of the plan's steps; below 1 if successive halving dropped the rate early */
  readonly share: number
}

/** All rates of a method × rank, ascending. */
export interface Sweep {
  readonly method: string
  readonly rank: number | null
  readonly points: ReadonlyArray<RatePoint>
  /** null: no rate can be chosen, because no run with a validation loss finished */
  readonly best: RatePoint | null
  /** the end of the grid at which the best rate is, if there are several rates; else null */
  readonly edge: "smallest" | "largest" | null
}

/** Groups results by method and rank, in order of first appearance. */
export const byMethodAndRank = (results: ReadonlyArray<TrialResult>): ReadonlyArray<ReadonlyArray<TrialResult>> => {
  const groups = new Map<string, Array<TrialResult>>()
  for (const result of results) {
    const key = JSON.stringify([result.trial.method, result.trial.rank])
    groups.set(key, [...(groups.get(key) ?? []), result])
  }
  return [...groups.values()]
}

/** Returns whether a run finished with a finite loss on the split. */
export const scored = (result: TrialResult, split: "validation" | "test"): boolean =>
  result.status === "done" && typeof result[split]?.loss === "number"

const pointOf = (learningRate: number, ofRate: ReadonlyArray<TrialResult>): RatePoint => {
  // the longest round that the rate reached
  const share = Math.max(...ofRate.map(({ trial }) => trial.share))
  const last = ofRate.filter(({ trial }) => trial.share === share)
  const good = last.filter((result) => scored(result, "validation"))
  const meanOf = (name: string) => {
    const values = good.flatMap(({ validation }) => validation?.[name] ?? [])
    return values.length === 0 ? null : mean(values)
  }
  const { rows: _, loss: __, ...scores } = good[0]?.validation ?? {}
  return {
    learningRate,
    done: good.length,
    failed: last.length - good.length,
    loss: meanOf("loss"),
    scores: Object.fromEntries(Object.keys(scores).map((name) => [name, meanOf(name)])),
    share
  }
}

const better = (a: RatePoint, b: RatePoint): number =>
  a.failed - b.failed || a.loss! - b.loss! || a.learningRate - b.learningRate

const sweepOf = (ofMethod: ReadonlyArray<TrialResult>): Sweep => {
  const { method, rank } = ofMethod[0]!.trial
  const rates = [...new Set(ofMethod.map(({ trial }) => trial.learningRate))].sort((a, b) => a - b)
  const points = rates.map((rate) =>
    pointOf(
      rate,
      ofMethod.filter(({ trial }) => trial.learningRate === rate)
    )
  )
  const candidates = points.filter(({ share, loss }) => share === 1 && loss !== null)
  const best = [...candidates].sort(better)[0] ?? null
  const at = best === null ? -1 : points.indexOf(best)
  const edge =
    best === null || points.length < 2 ? null : at === 0 ? "smallest" : at === points.length - 1 ? "largest" : null
  return { method, rank, points, best, edge }
}

/** Returns the sweeps among the results of a study, complete or not. */
export const sweepsOf = (results: ReadonlyArray<TrialResult>): ReadonlyArray<Sweep> =>
  byMethodAndRank(results.filter(({ trial }) => trial.stage === "sweep")).map(sweepOf)

/** Returns the best rate of each method × rank that was swept and has a rate that works. */
export const bestRates = (results: ReadonlyArray<TrialResult>): ReadonlyArray<BestRate> =>
  sweepsOf(results).flatMap(({ method, rank, best }) =>
    best === null ? [] : [{ method, rank, learningRate: best.learningRate }]
  )
