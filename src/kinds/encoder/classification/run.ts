/** Text classification with a Hugging Face encoder: training and inference. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../../../adapters/index.ts"
import type { ClassificationPlan } from "../../../../schemas/index.ts"
import {
  batchesOfRows,
  type ClassificationData,
  type ClassificationSplit,
  evaluationBatches,
  openClassification,
  tokenizeTexts,
  trainingBatches
} from "../../../data/index.ts"
import { Device } from "../../../device/device.ts"
import type { Model } from "../../../models/index.ts"
import { evaluateClasses, keepMistakes, logitsOfRows } from "../../../training/index.ts"
import type { Runner } from "../../contract/index.ts"
import { evaluatedBatches, plannedBatches } from "../../rows/batches.ts"
import { askedTexts, onlySplits, plannedLoss, predictionsOf, rowsOf } from "../../rows/predictions.ts"
import { longestText, type ResolvedEncoderPlan } from "../resolve.ts"
import { headRunner, loadEncoder } from "../run.ts"

export type ResolvedClassificationPlan = ResolvedEncoderPlan<ClassificationPlan, ClassificationData>

/** Returns batches of the first `rows` rows of a split, each row once. */
export const evaluationOf = (
  { model }: Adapted,
  plan: ClassificationPlan,
  source: ClassificationSplit,
  rows?: number | undefined
) =>
  evaluatedBatches(plan, longestText(plan, model), rows, (options) =>
    evaluationBatches(source, model.tokenizer, options)
  )

export const runClassification: Runner<ClassificationPlan, ResolvedClassificationPlan, Model, ClassificationSplit> = {
  ...headRunner,
  loss: (_, { plan, data }) => plannedLoss(plan, data),
  load: loadEncoder,
  batches: (model, { plan, data }, start) =>
    plannedBatches(plan, longestText(plan, model), start, (options) =>
      trainingBatches(data.splits.train, model.tokenizer, options)
    ),
  splits: ({ model }, plan, file) =>
    openClassification(rowsOf(plan.data, model.labels, file), plan.seed).pipe(onlySplits),
  evaluate: (adapted, plan, source, { rows, ...options }) =>
    evaluationOf(adapted, plan, source, rows).pipe(evaluateClasses(adapted, source.labels, options)),
  predict: (adapted, plan, inputs) =>
    Effect.gen(function* () {
      const { padMultiple } = yield* Device
      const { model } = adapted
      const maxLength = longestText(plan, model)
      const texts = yield* askedTexts(inputs, plan.data)
      return yield* predictionsOf(texts, plan.training.evaluateBatchSize, model.labels, (some) =>
        Effect.flatMap(tokenizeTexts(some, model.tokenizer, maxLength), (encodings) => {
          const examples = encodings.map((encoding) => ({ ...encoding, label: 0 }))
          const options = { batchSize: some.length, padId: model.tokenizer.padId, padMultiple, maxLength }
          const batches = batchesOfRows(examples, [...examples.keys()], options)
          return Stream.fromIterable(batches).pipe(logitsOfRows(adapted, some.length))
        })
      )
    }),
  keepMistakes
}
