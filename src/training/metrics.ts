/** What an evaluation measures, by name: how each number is called and written, and which way is better. */

export interface Metric {
  /** in a table's head or a sentence: "accuracy" */
  readonly label: string
  /** of its values as plots have them: "%" for a share, which is drawn times 100 */
  readonly unit: string
  /** a value as people read it */
  readonly format: (value: number) => string
  /** which direction is a gain; null: neither */
  readonly better: "higher" | "lower" | null
  /** the worst value that it can have; absent if it has no bound */
  readonly worst?: number
  /** with its value in a list of several; "label value" unless given */
  readonly inWords?: (shown: string) => string
  /** type and name on the Hugging Face Hub; absent where it has none */
  readonly hub?: {
    /** its identifier there: "f1" */
    readonly type: string
    /** as its pages show it: "Macro F1" */
    readonly name: string
  }
}

/** By their names in an evaluation, in the order in which they are listed. */
export type Metrics = Readonly<Record<string, Metric>>

/** What an evaluation says of a metric; null where it is not a finite number, or not there. */
export const scoreOf = (evaluation: object, name: string): number | null => {
  const value = (evaluation as Readonly<Record<string, unknown>>)[name]
  return typeof value === "number" && Number.isFinite(value) ? value : null
}

/** A metric's value in its own format; – if it has no value. */
export const written = ({ format }: Metric, value: number | null | undefined): string =>
  value === null || value === undefined || !Number.isFinite(value) ? "–" : format(value)

/** "accuracy 87.3 %" */
export const inWords = (metric: Metric, value: number | null | undefined): string => {
  const shown = written(metric, value)
  return metric.inWords?.(shown) ?? `${metric.label} ${shown}`
}

/** "accuracy 87.3 %, macro-F1 87.2 %, loss 0.312" */
export const scoresText = (metrics: Metrics, evaluation: object): string =>
  Object.entries(metrics)
    .map(([name, metric]) => inWords(metric, scoreOf(evaluation, name)))
    .join(", ")

/** 0.8725 → 87.3 %. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** A number with three decimals, unless `format` says how it is written. */
export const numberMetric = (
  label: string,
  unit: string,
  better: "higher" | "lower",
  hub: NonNullable<Metric["hub"]>,
  format = (value: number): string => value.toFixed(3)
): Metric => ({ label, unit, format, better, hub })

/** What a metric has that is a share of what could be right. */
export const share = { unit: "%", format: percent, better: "higher", worst: 0 } as const

/** The mean cross-entropy: what every kind of run that there is learns by. */
export const crossEntropyMetric: Metric = numberMetric("loss", "cross-entropy", "lower", {
  type: "loss",
  name: "Cross-entropy"
})
