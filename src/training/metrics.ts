/** Metrics of evaluations by name: label, format, and which direction is better. */

import { percent, score } from "../boundary/index.ts"

/** A metric of evaluations: its label, its format, and which direction is better. */
export interface Metric {
  /** label in tables and sentences: "accuracy" */
  readonly label: string
  /** unit of its values in plots: "%" for a fraction, which is plotted times 100 */
  readonly unit: string
  /** formats a value for display */
  readonly format: (value: number) => string
  /** direction of an improvement; null: neither */
  readonly better: "higher" | "lower" | null
  /** worst possible value; absent if the metric has no bound */
  readonly worst?: number
  /** formats the value in a list of several metrics; default "label value" */
  readonly inWords?: (text: string) => string
  /** metric type and name on the Hugging Face Hub; absent if it has none */
  readonly hub?: {
    /** identifier on the Hub: "f1" */
    readonly type: string
    /** name on the Hub's pages: "Macro F1" */
    readonly name: string
  }
}

/** Metrics by their names in an evaluation, in display order. */
export type Metrics = Readonly<Record<string, Metric>>

/** Returns a metric's value in an evaluation; null if it is missing or not finite. */
export const scoreOf = (evaluation: object, name: string): number | null => {
  const value = (evaluation as Readonly<Record<string, unknown>>)[name]
  return typeof value === "number" && Number.isFinite(value) ? value : null
}

/** Formats a metric's value; – without a value. */
export const formatMetric = ({ format }: Metric, value: number | null | undefined): string =>
  value === null || value === undefined || !Number.isFinite(value) ? "–" : format(value)

/** Formats a metric with its label: "accuracy 87.3 %". */
export const inWords = (metric: Metric, value: number | null | undefined): string => {
  const text = formatMetric(metric, value)
  return metric.inWords?.(text) ?? `${metric.label} ${text}`
}

/** Formats all metrics: "accuracy 87.3 %, macro-F1 87.2 %, loss 0.312". */
export const scoresText = (metrics: Metrics, evaluation: object): string =>
  Object.entries(metrics)
    .map(([name, metric]) => inWords(metric, scoreOf(evaluation, name)))
    .join(", ")

/** Creates a metric with three decimals, unless `format` is given. */
export const numberMetric = (
  label: string,
  unit: string,
  better: "higher" | "lower",
  hub: NonNullable<Metric["hub"]>,
  format: (value: number) => string = score
): Metric => ({ label, unit, format, better, hub })

/** Fields of a metric that is a fraction of correct decisions. */
export const share = { unit: "%", format: percent, better: "higher", worst: 0 } as const

/** Mean cross-entropy, the training loss of most kinds of run. */
export const crossEntropyMetric: Metric = numberMetric("loss", "cross-entropy", "lower", {
  type: "loss",
  name: "Cross-entropy"
})
