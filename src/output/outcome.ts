/** How a run ended: why it stopped early, which of its states the adapter is, and its baseline. */
import { counted } from "../boundary/index.ts"
import { type Warning, warningText } from "../training/course.ts"
import { inWords, type Metrics, scoreOf, written } from "../training/index.ts"

/** The baseline of a split: its values of the metrics, and what it predicts. */
export interface Baseline {
  /** "always “positive”, the most frequent class" */
  readonly of: string
  /** by the names of metrics; those that cannot be known without reading rows are left out */
  readonly scores: Readonly<Record<string, number>>
}

/** The baselines of the evaluated splits. */
export interface Baselines {
  /** null: nothing is known of it */
  readonly validation: Baseline | null
  /** null: nothing is known of it */
  readonly test: Baseline | null
}

/** Returns "Baseline (always “positive”, the most frequent class): accuracy 50.0 %, loss 0.693". */
export const baselineText = (metrics: Metrics, { of, scores }: Baseline): string => {
  const known = Object.entries(metrics).filter(([name]) => scoreOf(scores, name) !== null)
  return `Baseline (${of}): ${known.map(([name, metric]) => inWords(metric, scoreOf(scores, name))).join(", ")}`
}

interface Reached {
  /** the evaluation before training; null: there was none */
  readonly before: object | null
  /** the same rows evaluated after it */
  readonly after?: object | null
  /** the last evaluation of this split; null: there is none */
  readonly validation: object | null
  /** the last evaluation of this split; null: there is none */
  readonly test: object | null
  /** absent if unknown */
  readonly baseline?: Baselines
}

/**
 * Returns a clause if a run is no better than its baseline on the split that it is judged by, or, without a baseline, than the model
 * before training; null if it is better.
 */
export const noBetterText = (
  {
    metrics,
    headline
  }: {
    /** what the kind's evaluations measure */
    readonly metrics: Metrics
    /** names of the metrics that sentences speak of; the first decides */
    readonly headline: readonly [string, ...ReadonlyArray<string>]
  },
  { before, after = null, validation, test, baseline }: Reached
): string | null => {
  const split = test === null ? "validation" : "test"
  const nothing = baseline?.[split] ?? null
  const name = nothing === null || Object.hasOwn(nothing.scores, headline[0]) ? headline[0] : "loss"
  const than = nothing === null ? before && scoreOf(before, name) : scoreOf(nothing.scores, name)
  const reached = nothing === null ? after : (test ?? validation)
  const value = reached && scoreOf(reached, name)
  const metric = metrics[name]
  if (than === null || value === null || metric === undefined || metric.better === null) return null
  if (metric.better === "higher" ? value > than : value < than) return null
  const of = nothing === null ? "it did before training" : nothing.of
  return `the model answers no better than ${of}: on ${split} ${inWords(metric, value)}, against ${written(metric, than)}`
}

/** Returns a clause for each warning of a run; for records of earlier versions, the comparison with the baseline. */
export const warningTexts = (
  kind: Parameters<typeof noBetterText>[0],
  run: Reached & {
    /** warnings about the course of the run; absent in records of earlier versions */
    readonly warnings?: ReadonlyArray<Pick<Warning, "says" | "advice">>
  }
): ReadonlyArray<string> => {
  if (run.warnings !== undefined) return run.warnings.map(warningText)
  const says = noBetterText(kind, run)
  return says === null ? [] : [says]
}

/** A metric of the validation split at a step. */
interface Watched {
  /** steps taken before the evaluation */
  readonly step: number
  /** by its name in the kind's metrics */
  readonly metric: string
  /** its value then; null: it never was a finite number */
  readonly value: number | null
}

/** The last improvement (step 0: none), and the evaluations since then. */
export interface Stopped extends Watched {
  /** evaluations since the last gain */
  readonly evaluations: number
}

/** Another state that the kept one was compared with, on the same rows. */
export interface Compared {
  /** after which it is the state */
  readonly step: number
  /** of the same metric */
  readonly value: number | null
  /** how likely rows drawn from these show no gain of the better one over the last: the p-value of a paired bootstrap, one sided */
  readonly chance: number
  /** the chance at most with which the last is replaced */
  readonly level: number
}

/** The state that the adapter is, where evaluations on the way decided it. */
export interface Kept extends Watched {
  /** rows of the split that were evaluated */
  readonly rows: number
  /** where the plan left the choice to the rows: the last state if the best is kept, the best if the last is; absent: the last is the best */
  readonly compared?: Compared
}

/** "stopped after step 48 of 80: validation loss was last better at step 24 (0.281), 3 evaluations ago" */
export const stoppedText = (
  metrics: Metrics,
  { metric: name, step, value, evaluations }: Stopped,
  {
    steps,
    planned = steps
  }: {
    /** steps taken */
    readonly steps: number
    /** steps of the plan; `steps` unless given */
    readonly planned?: number
  }
): string => {
  const metric = metrics[name]
  const shown = metric === undefined ? "" : ` (${written(metric, value)})`
  const since = step === 0 ? "was never a number" : `was last better at step ${step}${shown}`
  const ago = `${counted(evaluations, "evaluation")} ago`
  return `stopped after step ${steps} of ${planned}: validation ${metric?.label ?? name} ${since}, ${ago}`
}

/** "the best state, of step 64 of 80 (validation loss 0.247; 0.391 at the last step)" */
export const keptText = (
  metrics: Metrics,
  {
    step,
    metric: name,
    value,
    rows,
    compared
  }: Omit<Kept, "rows" | "compared"> & {
    /** rows that it was evaluated on; default: not said */
    readonly rows?: number
    /** the other state that it was compared with; default: none */
    readonly compared?: Pick<Compared, "step" | "value">
  },
  {
    steps
  }: {
    /** steps taken */
    readonly steps: number
  }
): string => {
  const metric = metrics[name]
  const other = metric === undefined || compared === undefined ? undefined : written(metric, compared.value)
  const last = step === steps || other === undefined ? "" : `; ${other} at the last step`
  const shown = metric === undefined ? "" : ` (validation ${metric.label} ${written(metric, value)}${last})`
  if (step !== steps) return `the best state, of step ${step} of ${steps}${shown}`
  if (compared === undefined) return `the last state, which is the best${shown}`
  const on = rows === undefined ? "the validation rows" : counted(rows, "row")
  const had = other === undefined ? " was better" : ` had ${other}`
  return `the last state${shown}: step ${compared.step}${had}, a difference that ${on} cannot tell from chance`
}

/**
 * "While accuracy improved, loss rose from 0.312 to 0.405.": metrics that got worse, or stay at the worst value that they can have, while the one
 * that the run is judged by improved on the same rows; null if no metric did. Values that read alike are the same.
 */
export const shortfallText = (
  { metrics, headline: [judged] }: Parameters<typeof noBetterText>[0],
  { before, after = null }: Pick<Reached, "before" | "after">
): string | null => {
  if (before === null || after === null) return null
  const changes = Object.entries(metrics).map(([name, metric]) => {
    const [was, is] = [scoreOf(before, name), scoreOf(after, name)]
    const [from, to] = [written(metric, was), written(metric, is)]
    const rise = was === null || is === null || from === to ? 0 : is - was
    const gain = metric.better === null ? 0 : metric.better === "higher" ? rise : -rise
    const isWorst = metric.worst !== undefined && from === to && to === written(metric, metric.worst)
    const stays = isWorst ? `${metric.label} stayed at ${to}` : null
    return {
      name,
      gain,
      falls: gain < 0 ? `${metric.label} ${rise > 0 ? "rose" : "fell"} from ${from} to ${to}` : stays
    }
  })
  const falls = changes.flatMap((change) => change.falls ?? [])
  const isGain = changes.some(({ name, gain }) => name === judged && gain > 0)
  if (!isGain || falls.length === 0) return null
  return `While ${metrics[judged]!.label} improved, ${[falls.slice(0, -1).join(", "), falls.at(-1)].filter((part) => part !== "").join(" and ")}.`
}
