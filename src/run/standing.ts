/**
 * Tracks the evaluations of a run: which step is the best, and whether to stop early. A function of these evaluations alone,
 * in their order: a resumed run reads the earlier ones from metrics.jsonl, and decides as it would have uninterrupted.
 *
 * A step is the best if its value is better than that of every step before, or equal with a smaller loss. An evaluation is a gain if it
 * improves by more than `leastGain` on the last gain, so small improvements add up; after `patience` evaluations without a gain, training stops.
 */
import type { RunPlan } from "../../schemas/index.ts"
import type { EvaluationReport } from "../output/index.ts"
import type { Evaluation, Metrics } from "../training/index.ts"
import { scoreOf } from "../training/index.ts"

/** The metric to track, and the criteria of early stopping. */
export interface Watch {
  readonly metric: string
  readonly better: "higher" | "lower"
  readonly leastGain: number
  /** number of evaluations without a gain after which training stops; Infinity: never */
  readonly patience: number
}

export interface Standing {
  /** step of the last evaluation that counts; 0: none yet */
  readonly step: number
  /** number of evaluations with a value */
  readonly evaluations: number
  readonly best: { readonly step: number; readonly value: number; readonly loss: number } | null
  /** last gain */
  readonly gain: { readonly step: number; readonly value: number } | null
  readonly withoutGain: number
}

export const beginning: Standing = { step: 0, evaluations: 0, best: null, gain: null, withoutGain: 0 }

/**
 * Returns the metric of early stopping: the plan's, or the main one of its kind of run. A classifier's loss can rise while accuracy still improves:
 * for one model, the state with the best loss classified 70.7 % of test rows correctly, the one with the best accuracy 85.3 % (docs/text-kinds.md).
 */
export const watchOf = (
  { training: { stopEarly } }: Pick<RunPlan, "training">,
  { metrics, headline: [judged] }: { readonly metrics: Metrics; readonly headline: readonly [string, ...unknown[]] }
): Watch => {
  const { metric = judged, leastGain = 0, patience = Infinity } = stopEarly ?? {}
  return { metric, better: metrics[metric]?.better ?? "lower", leastGain, patience }
}

/** Adds an evaluation. A repeated step changes nothing; a value that is not a number is not a gain. */
export const afterEvaluation = (
  { metric, better, leastGain }: Watch,
  standing: Standing,
  evaluation: Evaluation & { readonly step: number }
): Standing => {
  const { step, loss } = evaluation
  if (step <= standing.step) return standing
  const value = scoreOf(evaluation, metric)
  const { best, gain, withoutGain } = standing
  if (value === null) return { ...standing, step, withoutGain: withoutGain + 1 }
  const by = (than: { readonly value: number } | null) =>
    than === null ? Infinity : better === "higher" ? value - than.value : than.value - value
  const gained = by(gain) > leastGain
  return {
    step,
    evaluations: standing.evaluations + 1,
    // of equal values, the one with the smaller loss: a share of a few hundred rows has few values
    best: by(best) > 0 || (by(best) === 0 && loss < best!.loss) ? { step, value, loss } : best,
    gain: gained ? { step, value } : gain,
    withoutGain: gained ? 0 : withoutGain + 1
  }
}

export const stops = ({ patience }: Watch, { withoutGain }: Standing): boolean => withoutGain >= patience

/** Returns why training stopped, for the run's record. */
export const reasonOf = ({ watch, now }: RunStanding) => {
  const { gain, withoutGain } = now()
  return { metric: watch.metric, step: gain?.step ?? 0, value: gain?.value ?? null, evaluations: withoutGain }
}

/** Returns the best evaluated step. `last`: evaluation of the last step, on the same rows. */
export const choiceOf = ({ watch, add, now }: RunStanding, last: EvaluationReport | undefined) => {
  if (last === undefined) return null
  add(last)
  const { best } = now()
  return best === null ? null : { step: best.step, metric: watch.metric, value: best.value, rows: last.rows }
}

export type RunStanding = ReturnType<typeof standingOf>

/** Opens the standing of a run in progress. `seen`: its earlier evaluations. */
export const standingOf = (watch: Watch, evaluations: ReadonlyArray<Evaluation & { readonly step: number }>) => {
  let now = evaluations.reduce((standing, evaluation) => afterEvaluation(watch, standing, evaluation), beginning)
  return {
    watch,
    now: () => now,
    stops: () => stops(watch, now),
    add: (evaluation: (Evaluation & { readonly step: number }) | undefined): void => {
      if (evaluation !== undefined) now = afterEvaluation(watch, now, evaluation)
    }
  }
}
