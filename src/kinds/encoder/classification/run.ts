/** Labelled texts and a Hugging Face encoder. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ClassificationPlan } from "../../../../schemas/index.ts"
import {
  batchesOfRows,
  type ClassificationSplit,
  evaluationBatches,
  openClassification,
  tokenizeTexts,
  trainingBatches
} from "../../../data/index.ts"
import { Device } from "../../../device/device.ts"
import { loadDescribed, type Model } from "../../../models/index.ts"
import { restoreAdapter, saveAdapter } from "../../../output/adapter-folder.ts"
import { evaluateClasses, keepMistakes, logitsOfRows } from "../../../training/index.ts"
import { begin } from "../../contract/begin.ts"
import type { Runner } from "../../contract/kind.ts"
import {
  askedProblem,
  askedTexts,
  askingTexts,
  onlySplits,
  plannedLoss,
  predictionsOf,
  rowsOf
} from "../../rows/predictions.ts"
import { longestText } from "../resolve.ts"
import type { ResolvedClassificationPlan } from "./resolve.ts"

export const runClassification: Runner<ClassificationPlan, ResolvedClassificationPlan, Model, ClassificationSplit> = {
  loss: (_, { plan, data }) => plannedLoss(plan, data),
  // what is trained itself starts from its own numbers, not from rounded ones
  load: ({ plan, model, selected }) =>
    loadDescribed(model, { seed: plan.seed, weights: plan.model.weights, whole: selected.parameters }),
  batches: (model, { plan, data }, start) =>
    Stream.unwrap(
      Effect.map(Device, ({ padMultiple }) =>
        trainingBatches(data.splits.train, model.tokenizer, {
          seed: plan.seed,
          batchSize: plan.training.batchSize,
          bucketPool: plan.data.bucketPool,
          maxLength: longestText(plan, model),
          padMultiple,
          start
        })
      )
    ),
  splits: ({ model }, plan, file) =>
    openClassification(rowsOf(plan.data, model.labels, file), plan.seed).pipe(onlySplits),
  evaluate: (adapted, plan, source, { rows, ...options }) =>
    Effect.gen(function* () {
      const { padMultiple } = yield* Device
      const { model } = adapted
      return yield* evaluationBatches(source, model.tokenizer, {
        batchSize: plan.training.evaluateBatchSize,
        maxLength: longestText(plan, model),
        padMultiple,
        ...(rows === undefined ? {} : { rows })
      }).pipe(evaluateClasses(adapted, source.labels, options))
    }),
  asking: askingTexts(({ data }) => data),
  problemOf: (_, plan, row) => askedProblem(row, plan.data),
  predict: (adapted, plan, asked) =>
    Effect.gen(function* () {
      const { padMultiple } = yield* Device
      const { model } = adapted
      const maxLength = longestText(plan, model)
      const texts = yield* askedTexts(asked, plan.data)
      return yield* predictionsOf(texts, plan.training.evaluateBatchSize, model.labels, (some) =>
        Effect.flatMap(tokenizeTexts(some, model.tokenizer, maxLength), (encodings) => {
          const examples = encodings.map((encoding) => ({ ...encoding, label: 0 }))
          const options = { batchSize: some.length, padId: model.tokenizer.padId, padMultiple, maxLength }
          const batches = batchesOfRows(examples, [...examples.keys()], options)
          return Stream.fromIterable(batches).pipe(logitsOfRows(adapted, some.length))
        })
      )
    }),
  keepMistakes,
  save: (adapted, resolved, folder) => saveAdapter(adapted, resolved, folder),
  restore: (adapted, _, folder) => restoreAdapter(adapted, folder),
  begin
}
