/** Texts with numbers and a Hugging Face encoder: standardised inside, in the data's units outside. */
import * as Effect from "effect/Effect"
import type { RegressionPlan } from "../../../../schemas/index.ts"
import type { RowSource, TargetText } from "../../../data/index.ts"
import { restoreAdapter, saveAdapter } from "../../../output/adapter-folder.ts"
import { keepWorst, type WrongRow } from "../../../training/index.ts"
import { begin } from "../../contract/begin.ts"
import type { Prediction, Runner } from "../../contract/kind.ts"
import { askedProblem, askedTexts, askingTexts, onlyFile } from "../../rows/predictions.ts"
import {
  loadTargetModel,
  type Outputs,
  outputsOf,
  outputsOfTexts,
  planTargetBatches,
  type TargetModel
} from "../targets.ts"
import { openRegression, type Scaling } from "./data.ts"
import { squaredError } from "./loss.ts"
import type { ResolvedRegressionPlan } from "./resolve.ts"
import { regressionRows, regressionScores, valuesText } from "./scores.ts"

/** A plan whose data were opened has its scaling. */
export const scalingOf = ({ data }: RegressionPlan, { labels }: Pick<TargetModel, "labels">): Scaling =>
  data.scaling ?? { mean: labels.map(() => 0), deviation: labels.map(() => 1) }

/** Outputs in the data's units. */
export const inUnits = (outputs: ArrayLike<number>, { mean, deviation }: Scaling): Float64Array =>
  Float64Array.from(outputs, (value, i) => value * deviation[i % mean.length]! + mean[i % mean.length]!)

const standardised = (source: RowSource<TargetText>, { mean, deviation }: Scaling): RowSource<TargetText> => ({
  ...source,
  read: (indices) =>
    Effect.map(source.read(indices), (rows) =>
      rows.map((row) => ({ ...row, targets: row.targets.map((value, i) => (value - mean[i]!) / deviation[i]!) }))
    )
})

export const runRegression: Runner<RegressionPlan, ResolvedRegressionPlan, TargetModel, RowSource<TargetText>> = {
  loss: () => squaredError,
  load: loadTargetModel,
  batches: (model, { plan, data }, start) =>
    planTargetBatches(model, { plan, source: standardised(data.splits.train, data.scaling), start }),
  splits: (_, plan, file) => Effect.map(openRegression(onlyFile(plan.data, file), plan.seed), ({ splits }) => splits),
  evaluate: (adapted, plan, source, { mistakes, scored, ...options }) =>
    Effect.map(outputsOf(adapted, plan, source, options), (found) => {
      const scaling = scalingOf(plan, adapted.model)
      mistakes?.add(errorsOf(found, scaling, adapted.model.labels))
      const values = inUnits(found.outputs, scaling)
      scored?.(regressionRows(values, found.targets, scaling))
      return regressionScores(values, found.targets, scaling)
    }),
  keepMistakes: (source, limit) =>
    // targets are named by the plan; of several, each is known by its place
    keepWorst(source, limit, ({ targets }) => targets.join(", ")),
  asking: askingTexts(({ data }) => data),
  problemOf: (_, plan, row) => askedProblem(row, plan.data),
  predict: (adapted, plan, asked) =>
    Effect.gen(function* () {
      const { labels } = adapted.model
      const texts = yield* askedTexts(asked, plan.data)
      const outputs = yield* outputsOfTexts(adapted, plan, texts)
      const values = inUnits(outputs, scalingOf(plan, adapted.model))
      const named = (all: ArrayLike<number>, row: number) =>
        Object.fromEntries(labels.map((name, i) => [name, all[row * labels.length + i]!]))
      return texts.map((text, row): Prediction => {
        const own = values.subarray(row * labels.length, (row + 1) * labels.length)
        return { ...text, label: valuesText(labels, own), values: named(values, row), logits: named(outputs, row) }
      })
    }),
  save: (adapted, resolved, folder) => saveAdapter(adapted, resolved, folder),
  restore: (adapted, _, folder) => restoreAdapter(adapted, folder),
  begin
}

/** Every row with how far it is off, in deviations of its targets. */
const errorsOf = (
  { rows, outputs, targets }: Outputs,
  scaling: Scaling,
  names: ReadonlyArray<string>
): ReadonlyArray<WrongRow> => {
  const width = names.length
  const values = inUnits(outputs, scaling)
  return Array.from({ length: rows }, (_, row) => {
    const own = values.subarray(row * width, (row + 1) * width)
    const weight = scaling.deviation.reduce(
      (sum, deviation, i) => sum + Math.abs(own[i]! - targets[row * width + i]!) / deviation,
      0
    )
    return { row, predicted: valuesText(names, own), weight }
  })
}
