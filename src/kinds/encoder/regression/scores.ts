/** Errors of predicted values. With several targets, each score is the mean over them. */
import { number } from "../../../boundary/index.ts"
import {
  determination,
  formatMetric,
  meanError,
  numberMetric,
  overAll,
  pearson,
  type RowScore,
  spearman
} from "../../../training/index.ts"
import type { Scaling } from "./data.ts"

/** Formats a number with four significant digits. */
/** Formats a target or an error, in the unit of the data. */
export const targetText = (value: number): string => number(value, 4)

export const regressionMetrics = {
  mae: numberMetric("mean error", "the data's", "lower", { type: "mae", name: "MAE" }, targetText),
  mse: numberMetric("MSE", "the data's, squared", "lower", { type: "mse", name: "MSE" }, targetText),
  r2: numberMetric("R²", "R²", "higher", { type: "r_squared", name: "R²" }),
  pearson: numberMetric("Pearson", "r", "higher", { type: "pearsonr", name: "Pearson" }),
  spearman: numberMetric("Spearman", "ρ", "higher", { type: "spearmanr", name: "Spearman" }),
  loss: numberMetric("loss", "MSE of standardized targets", "lower", { type: "loss", name: "MSE, standardised" })
}

/** Scores of one target with a known deviation. An undefined score, such as a correlation with a constant, is NaN. */
const scoresOfTarget = {
  loss: (predicted, right, deviation) => meanError(predicted, right) / deviation ** 2,
  mae: (predicted, right) => meanError(predicted, right, Math.abs),
  mse: (predicted, right) => meanError(predicted, right),
  r2: determination,
  pearson,
  spearman
} satisfies Record<
  keyof typeof regressionMetrics,
  (predicted: Float64Array, right: Float64Array, deviation: number) => number
>

type Names = keyof typeof scoresOfTarget

/** Returns each metric as a function of the rows. `predicted`, `right`: [rows, targets], row-major, in the units of the data. */
export const regressionRows = (
  predicted: ArrayLike<number>,
  right: ArrayLike<number>,
  { deviation }: Pick<Scaling, "deviation">
) => {
  const width = deviation.length
  const column = (values: ArrayLike<number>, at: number, rows: ArrayLike<number>) =>
    Float64Array.from(rows, (row) => values[row * width + at]!)
  const score = (metric: (typeof scoresOfTarget)[Names]): RowScore => ({
    size: right.length / width,
    over: (rows) =>
      deviation.reduce((sum, scale, i) => sum + metric(column(predicted, i, rows), column(right, i, rows), scale), 0) /
      width
  })
  return mapScores(score)
}

const mapScores = <A>(of: (score: (typeof scoresOfTarget)[Names], name: Names) => A) =>
  Object.fromEntries(Object.entries(scoresOfTarget).map(([name, score]) => [name, of(score, name as Names)])) as Record<
    Names,
    A
  >

/** Returns the metrics over all rows. */
export const regressionScores = (...args: Parameters<typeof regressionRows>): Readonly<Record<Names, number>> => {
  const rows = regressionRows(...args)
  return mapScores((_, name) => overAll(rows[name]))
}

/** Formats values: "3.71", or "valence 0.31, arousal 0.7" for several targets. */
export const valuesText = (targets: ReadonlyArray<string>, values: ArrayLike<number>): string =>
  targets.length === 1
    ? targetText(values[0]!)
    : targets.map((target, i) => `${target} ${formatMetric(regressionMetrics.mae, values[i])}`).join(", ")
