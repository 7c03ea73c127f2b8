/**
 * Text regression with a Hugging Face encoder: training and inference. The model's targets are standardised; predictions are in the units
 * of the data.
 */
import * as Effect from "effect/Effect"
import type { RegressionPlan } from "../../../../schemas/index.ts"
import type { RowSource, TargetText } from "../../../data/index.ts"
import { squaredError } from "../../../training/index.ts"
import { onlyFile } from "../../rows/predictions.ts"
import { byName, type TargetModel, targetRunner } from "../run.ts"
import { openRegression, type RegressionData, type Scaling } from "./data.ts"
import { regressionRows, valuesText } from "./scores.ts"

export interface RegressionModel extends TargetModel {
  readonly scaling: Scaling
}

/** Converts outputs to the units of the data. */
export const inUnits = (outputs: ArrayLike<number>, { mean, deviation }: Scaling): Float64Array =>
  Float64Array.from(outputs, (value, i) => value * deviation[i % mean.length]! + mean[i % mean.length]!)

/** Returns the scaling of outputs in the units of the data: mean 0, deviation 1. */
export const unscaled = (targets: ReadonlyArray<string>): Scaling => ({
  mean: targets.map(() => 0),
  deviation: targets.map(() => 1)
})

const standardised = (source: RowSource<TargetText>, { mean, deviation }: Scaling): RowSource<TargetText> => ({
  ...source,
  read: (indices) =>
    Effect.map(source.read(indices), (rows) =>
      rows.map((row) => ({ ...row, targets: row.targets.map((value, i) => (value - mean[i]!) / deviation[i]!) }))
    )
})

export const runRegression = targetRunner<RegressionPlan, RegressionData, RegressionModel>({
  loss: squaredError,
  // a plan with opened data has its scaling
  loaded: (model, { data: { scaling } }) => ({ ...model, scaling: scaling ?? unscaled(model.labels) }),
  learned: ({ splits, scaling }) => standardised(splits.train, scaling),
  splits: (_, { data, seed }, file) => Effect.map(openRegression(onlyFile(data, file), seed), ({ splits }) => splits),
  // the plan names the targets; several are identified by their order
  expected: (_, { targets }) => targets.join(", "),
  scores: ({ outputs, targets }, { scaling }) => regressionRows(inUnits(outputs, scaling), targets, scaling),
  said: (outputs, { labels, scaling }) => {
    const values = inUnits(outputs, scaling)
    return { label: valuesText(labels, values), values: byName(labels, values), logits: byName(labels, outputs) }
  },
  // in standard deviations of the targets
  wrong: (outputs, targets, { scaling }) => {
    const values = inUnits(outputs, scaling)
    return scaling.deviation.reduce((sum, scale, i) => sum + Math.abs(values[i]! - targets[i]!) / scale, 0)
  }
})
