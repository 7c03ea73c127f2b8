/** How far predicted numbers are from the right ones. Of several targets each score is the mean over them. */
import {
  numberMetric,
  overAll,
  pearson,
  type RowScore,
  type Scored,
  spearman,
  written
} from "../../../training/index.ts"
import type { Scaling } from "./data.ts"

/** A number as people read it: four digits. */
export const shortNumber = (value: number): string => String(Number(value.toPrecision(4)))

export const regressionMetrics = {
  mae: numberMetric("mean error", "the data's", "lower", { type: "mae", name: "MAE" }, shortNumber),
  mse: numberMetric("MSE", "the data's, squared", "lower", { type: "mse", name: "MSE" }, shortNumber),
  r2: numberMetric("R²", "R²", "higher", { type: "r_squared", name: "R²" }),
  pearson: numberMetric("Pearson", "r", "higher", { type: "pearsonr", name: "Pearson" }),
  spearman: numberMetric("Spearman", "ρ", "higher", { type: "spearmanr", name: "Spearman" }),
  loss: numberMetric("loss", "MSE of standardised targets", "lower", { type: "loss", name: "MSE, standardised" })
}

/** Of numbers. One that is not defined, such as a correlation with a constant, is NaN. */
export interface RegressionEvaluation extends Scored {
  readonly mae: number
  readonly mse: number
  /** 1 − Σ(y − ŷ)²/Σ(y − ȳ)² */
  readonly r2: number
  readonly pearson: number
  /** Pearson's of the ranks; equal values have the mean of their ranks */
  readonly spearman: number
}

const meanOf = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}

const meanError = (predicted: Float64Array, right: Float64Array, of: (error: number) => number): number =>
  meanOf(right.map((value, i) => of(value - predicted[i]!)))

const squared = (error: number): number => error * error

/** Of one target, whose deviation is given. */
const scoresOfTarget = {
  loss: (predicted, right, deviation) => meanError(predicted, right, squared) / deviation ** 2,
  mae: (predicted, right) => meanError(predicted, right, Math.abs),
  mse: (predicted, right) => meanError(predicted, right, squared),
  r2: (predicted, right) => {
    const mean = meanOf(right)
    const variance = meanOf(right.map((value) => squared(value - mean)))
    return variance === 0 ? Number.NaN : 1 - meanError(predicted, right, squared) / variance
  },
  pearson,
  spearman
} satisfies Record<
  keyof typeof regressionMetrics,
  (predicted: Float64Array, right: Float64Array, deviation: number) => number
>

/** Each metric as a function of the rows. `predicted`, `right`: [rows, targets], row-major, in the data's units. */
export const regressionRows = (
  predicted: ArrayLike<number>,
  right: ArrayLike<number>,
  { deviation }: Pick<Scaling, "deviation">
) => {
  const width = deviation.length
  const column = (values: ArrayLike<number>, at: number, rows: ArrayLike<number>) =>
    Float64Array.from(rows, (row) => values[row * width + at]!)
  const score = (name: keyof typeof scoresOfTarget): RowScore => ({
    size: right.length / width,
    over: (rows) =>
      meanOf(deviation.map((own, i) => scoresOfTarget[name](column(predicted, i, rows), column(right, i, rows), own)))
  })
  const names = Object.keys(scoresOfTarget) as ReadonlyArray<keyof typeof scoresOfTarget>
  return Object.fromEntries(names.map((name) => [name, score(name)])) as Record<keyof typeof scoresOfTarget, RowScore>
}

/** `predicted`, `right`: [rows, targets], row-major, in the data's units. */
export const regressionScores = (...given: Parameters<typeof regressionRows>): RegressionEvaluation => {
  const scores = Object.entries(regressionRows(...given))
  const values = Object.fromEntries(scores.map(([name, score]) => [name, overAll(score)]))
  return { rows: scores[0]![1].size, ...values } as RegressionEvaluation
}

/** "3.71", or "valence 0.31, arousal 0.7" where there are several. */
export const valuesText = (targets: ReadonlyArray<string>, values: ArrayLike<number>): string =>
  targets.length === 1
    ? shortNumber(values[0]!)
    : targets.map((target, i) => `${target} ${written(regressionMetrics.mae, values[i])}`).join(", ")
