/**
 * How a run stands by its evaluations on the way: which step was the best, and whether it goes on. A function of these evaluations alone,
 * in their order: a resumed run reads those before it in metrics.jsonl, and decides as it would have decided uninterrupted.
 *
 * A step is the best where its value is better than that of every step before, or as good with a smaller loss. An evaluation is a gain where it is better by more than
 * `leastGain` than the last gain, so that many small steps add up to one; without a gain `patience` times in a row, training stops.
 */
import type { RunPlan } from "../../schemas/index.ts"
import type { EvaluationReport } from "../output/index.ts"
import type { Evaluation, Metrics } from "../training/index.ts"
import { scoreOf } from "../training/index.ts"

/** By what a run is watched. */
export interface Watch {
  readonly metric: string
  readonly better: "higher" | "lower"
  readonly leastGain: number
  /** evaluations without a gain after which training stops; Infinity: it does not */
  readonly patience: number
}

export interface Standing {
  /** of the last evaluation that counts; 0: none yet */
  readonly step: number
  /** that had a value */
  readonly evaluations: number
  readonly best: { readonly step: number; readonly value: number; readonly loss: number } | null
  /** the last gain */
  readonly gain: { readonly step: number; readonly value: number } | null
  readonly withoutGain: number
}

export const beginning: Standing = { step: 0, evaluations: 0, best: null, gain: null, withoutGain: 0 }

/**
 * The metric that a plan stops by, or what its kind of run is judged by. The loss of a classifier turns while it still gets better: of one
 * that was surer of its mistakes, the state of the best loss had 70.7 % of test rows right, that of the best accuracy 85.3 % (docs/text-kinds.md).
 */
export const watchOf = (
  { training: { stopEarly } }: Pick<RunPlan, "training">,
  { metrics, headline: [judged] }: { readonly metrics: Metrics; readonly headline: readonly [string, ...unknown[]] }
): Watch => {
  const { metric = judged, leastGain = 0, patience = Infinity } = stopEarly ?? {}
  return { metric, better: metrics[metric]?.better ?? "lower", leastGain, patience }
}

/** An evaluation of a step that was seen already changes nothing; one whose value is not a number does not count as a gain. */
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
    // of equals the one with the smaller loss: a share of some hundred rows has few values
    best: by(best) > 0 || (by(best) === 0 && loss < best!.loss) ? { step, value, loss } : best,
    gain: gained ? { step, value } : gain,
    withoutGain: gained ? 0 : withoutGain + 1
  }
}

export const stops = ({ patience }: Watch, { withoutGain }: Standing): boolean => withoutGain >= patience

/** Why training stopped, for the run's record. */
export const reasonOf = ({ watch, now }: RunStanding) => {
  const { gain, withoutGain } = now()
  return { metric: watch.metric, step: gain?.step ?? 0, value: gain?.value ?? null, evaluations: withoutGain }
}

/** The best evaluated step. `last`: the evaluation of the last one, on the same rows. */
export const choiceOf = ({ watch, add, now }: RunStanding, last: EvaluationReport | undefined) => {
  if (last === undefined) return null
  add(last)
  const { best } = now()
  return best === null ? null : { step: best.step, metric: watch.metric, value: best.value, rows: last.rows }
}

export type RunStanding = ReturnType<typeof standingOf>

/** The standing of a run while it goes on; `seen`: what was evaluated before. */
export const standingOf = (watch: Watch, seen: ReadonlyArray<Evaluation & { readonly step: number }>) => {
  let now = seen.reduce((standing, evaluation) => afterEvaluation(watch, standing, evaluation), beginning)
  return {
    watch,
    now: () => now,
    stops: () => stops(watch, now),
    add: (evaluation: (Evaluation & { readonly step: number }) | undefined): void => {
      if (evaluation !== undefined) now = afterEvaluation(watch, now, evaluation)
    }
  }
}
