/** How a run ended: why it stopped early, which of its states the adapter is, and its baseline. */
import { counted } from "../boundary/index.ts"
import { type Warning, warningText } from "../training/course.ts"
import { formatMetric, inWords, type Metrics, scoreOf } from "../training/index.ts"

/** Baseline of a split: its metrics and its prediction. */
export interface Baseline {
  /** prediction of the baseline: "always “positive”, the most frequent class" */
  readonly of: string
  /** values by metric; metrics that cannot be computed without reading rows are omitted */
  readonly scores: Readonly<Record<string, number>>
}

/** Baselines of the evaluated splits. */
export interface Baselines {
  /** baseline of the validation split; null: unknown */
  readonly validation: Baseline | null
  /** baseline of the test split; null: unknown */
  readonly test: Baseline | null
}

/** Returns "Baseline (always “positive”, the most frequent class): accuracy 50.0 %, loss 0.693". */
export const baselineText = (metrics: Metrics, { of, scores }: Baseline): string => {
  const known = Object.entries(metrics).filter(([name]) => scoreOf(scores, name) !== null)
  return `Baseline (${of}): ${known.map(([name, metric]) => inWords(metric, scoreOf(scores, name))).join(", ")}`
}

interface Reached {
  /** the evaluation before training; null: not evaluated */
  readonly before: object | null
  /** the evaluation of the same rows after training */
  readonly after?: object | null
  /** the last evaluation of this split; null: not evaluated */
  readonly validation: object | null
  /** the last evaluation of this split; null: not evaluated */
  readonly test: object | null
  /** absent if unknown */
  readonly baseline?: Baselines
}

/**
 * Returns a clause if a run does not beat its baseline (or, without a baseline, the model before training) on the split that judges it; null if it
 * does, or if one of the two values is unknown.
 */
export const noBetterText = (
  {
    metrics,
    headline
  }: {
    /** metrics of the kind's evaluations */
    readonly metrics: Metrics
    /** names of the metrics that sentences mention; the first one decides */
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
  const of = nothing === null ? "before training" : nothing.of
  return `the model is no better than ${of}: ${inWords(metric, value)} on ${split}, compared with ${formatMetric(metric, than)}`
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
  /** name of the metric in the kind's metrics */
  readonly metric: string
  /** value of the metric; null: it was never a finite number */
  readonly value: number | null
}

/** Last improvement (step 0: no improvement), and the number of evaluations since then. */
export interface Stopped extends Watched {
  /** evaluations since the last improvement */
  readonly evaluations: number
}

/** Alternative state with which the kept one was compared, on the same rows. */
export interface Compared {
  /** step after which the model has this state */
  readonly step: number
  /** value of the same metric */
  readonly value: number | null
  /** p-value of a one-sided paired bootstrap: the probability that rows drawn from these show no gain of the better state over the last */
  readonly chance: number
  /** largest p-value at which the last state is replaced */
  readonly level: number
}

/** State saved as the adapter, if evaluations during training chose it. */
export interface Kept extends Watched {
  /** number of evaluated rows of the split */
  readonly rows: number
  /** the state that the best was compared with, or the best if the last state was kept; absent: the last is the best */
  readonly compared?: Compared
}

/** Returns "stopped after step 48 of 80: validation loss was last better at step 24 (0.281), 3 evaluations ago". */
export const stoppedText = (
  metrics: Metrics,
  { metric: name, step, value, evaluations }: Stopped,
  {
    steps,
    planned = steps
  }: {
    /** steps taken */
    readonly steps: number
    /** steps of the plan; default `steps` */
    readonly planned?: number
  }
): string => {
  const metric = metrics[name]
  const scoreText = metric === undefined ? "" : ` (${formatMetric(metric, value)})`
  const since = step === 0 ? "was never a number" : `was last better at step ${step}${scoreText}`
  const ago = `${counted(evaluations, "evaluation")} ago`
  return `stopped after step ${steps} of ${planned}: validation ${metric?.label ?? name} ${since}, ${ago}`
}

/** Returns "the best checkpoint, step 64 of 80 (validation loss 0.247; 0.391 at the last step)". */
export const checkpointText = (
  metrics: Metrics,
  {
    step,
    metric: name,
    value,
    rows,
    compared
  }: Omit<Kept, "rows" | "compared"> & {
    /** number of evaluated rows; default: omitted from the text */
    readonly rows?: number
    /** the other state of the comparison; default: none */
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
  const other = metric === undefined || compared === undefined ? undefined : formatMetric(metric, compared.value)
  const last = step === steps || other === undefined ? "" : `; ${other} at the last step`
  const scoreText = metric === undefined ? "" : ` (validation ${metric.label} ${formatMetric(metric, value)}${last})`
  if (step !== steps) return `the best checkpoint, step ${step} of ${steps}${scoreText}`
  if (compared === undefined) return `the last checkpoint, which is the best${scoreText}`
  const on = rows === undefined ? "the validation rows" : counted(rows, "row")
  const had = other === undefined ? " was better" : ` had ${other}`
  return `the last checkpoint${scoreText}: step ${compared.step}${had}, a difference that ${on} cannot tell from chance`
}

/**
 * Returns "While accuracy improved, loss rose from 0.312 to 0.405.": the metrics that got worse, or stay at their worst possible value, while the
 * judged metric improved on the same rows; null if no metric did. Values that are formatMetric alike count as equal.
 */
export const shortfallText = (
  { metrics, headline: [judged] }: Parameters<typeof noBetterText>[0],
  { before, after = null }: Pick<Reached, "before" | "after">
): string | null => {
  if (before === null || after === null) return null
  const changes = Object.entries(metrics).map(([name, metric]) => {
    const [was, is] = [scoreOf(before, name), scoreOf(after, name)]
    const [from, to] = [formatMetric(metric, was), formatMetric(metric, is)]
    const rise = was === null || is === null || from === to ? 0 : is - was
    const gain = metric.better === null ? 0 : metric.better === "higher" ? rise : -rise
    const isWorst = metric.worst !== undefined && from === to && to === formatMetric(metric, metric.worst)
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
