/** How far predicted numbers are from the right ones. Of several targets each score is the mean over them. */
import type { Scored } from "../../training/index.ts"
import { type Metrics, pearson, spearman, written } from "../../training/index.ts"
import type { Scaling } from "./data.ts"

/** A number as people read it: four digits. */
export const shortNumber = (value: number): string => String(Number(value.toPrecision(4)))

const plain = (value: number) => value.toFixed(3)

export const regressionMetrics = {
  mae: {
    label: "mean error",
    unit: "the data's",
    format: shortNumber,
    better: "lower",
    hub: { type: "mae", name: "MAE" }
  },
  mse: {
    label: "MSE",
    unit: "the data's, squared",
    format: shortNumber,
    better: "lower",
    hub: { type: "mse", name: "MSE" }
  },
  r2: { label: "R²", unit: "R²", format: plain, better: "higher", hub: { type: "r_squared", name: "R²" } },
  pearson: { label: "Pearson", unit: "r", format: plain, better: "higher", hub: { type: "pearsonr", name: "Pearson" } },
  spearman: {
    label: "Spearman",
    unit: "ρ",
    format: plain,
    better: "higher",
    hub: { type: "spearmanr", name: "Spearman" }
  },
  loss: {
    label: "loss",
    unit: "MSE of standardised targets",
    format: plain,
    better: "lower",
    hub: { type: "loss", name: "MSE, standardised" }
  }
} satisfies Metrics

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

/** Of one target. */
const scoresOfTarget = (predicted: Float64Array, right: Float64Array) => {
  const errors = right.map((value, i) => value - predicted[i]!)
  const mse = meanOf(errors.map((error) => error * error))
  const mean = meanOf(right)
  const variance = meanOf(right.map((value) => (value - mean) ** 2))
  return {
    mse,
    mae: meanOf(errors.map(Math.abs)),
    r2: variance === 0 ? Number.NaN : 1 - mse / variance,
    pearson: pearson(predicted, right),
    spearman: spearman(predicted, right)
  }
}

/** `predicted`, `right`: [rows, targets], row-major, in the data's units. */
export const regressionScores = (
  predicted: ArrayLike<number>,
  right: ArrayLike<number>,
  { deviation }: Pick<Scaling, "deviation">
): RegressionEvaluation => {
  const width = deviation.length
  const rows = right.length / width
  const column = (values: ArrayLike<number>, at: number) =>
    Float64Array.from({ length: rows }, (_, row) => values[row * width + at]!)
  const each = deviation.map((_, i) => scoresOfTarget(column(predicted, i), column(right, i)))
  const over = (name: keyof ReturnType<typeof scoresOfTarget>) => meanOf(each.map((own) => own[name]))
  return {
    rows,
    loss: meanOf(each.map(({ mse }, i) => mse / deviation[i]! ** 2)),
    mae: over("mae"),
    mse: over("mse"),
    r2: over("r2"),
    pearson: over("pearson"),
    spearman: over("spearman")
  }
}

/** "3.71", or "valence 0.31, arousal 0.7" where there are several. */
export const valuesText = (targets: ReadonlyArray<string>, values: ArrayLike<number>): string =>
  targets.length === 1
    ? shortNumber(values[0]!)
    : targets.map((target, i) => `${target} ${written(regressionMetrics.mae, values[i])}`).join(", ")
