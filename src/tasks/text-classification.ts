/** Labelled texts and a Hugging Face encoder. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ClassificationPlan } from "../../schemas/index.ts"
import {
  type ClassificationSplit,
  evaluationBatches,
  openClassification,
  padBatch,
  trainingBatches
} from "../data/index.ts"
import { Device } from "../device/device.ts"
import { loadDescribed, type Model } from "../models/index.ts"
import { restoreAdapter, saveAdapter } from "../output/adapter-folder.ts"
import { loadOptionsOf, type ResolvedClassificationPlan } from "../plan/index.ts"
import { crossEntropy, evaluate, logitsOf } from "../training/index.ts"
import { onlySplits, rowsOf } from "./labelled-rows.ts"
import { predictionsOf } from "./predictions.ts"
import type { Task } from "./task.ts"

/** Tokens that a text has at most when it reaches the model. */
const longest = (plan: ClassificationPlan, model: Model): number => Math.min(plan.data.maxLength, model.maxLength)

export const textClassification: Task<ClassificationPlan, ResolvedClassificationPlan, Model, ClassificationSplit> = {
  loss: () => crossEntropy,
  load: (resolved) => loadDescribed(resolved.model, loadOptionsOf(resolved)),
  batches: (model, { plan, data }, start) =>
    Stream.unwrap(
      Effect.map(Device, ({ padMultiple }) =>
        trainingBatches(data.splits.train, model.tokenizer, {
          seed: plan.seed,
          batchSize: plan.training.batchSize,
          bucketPool: plan.data.bucketPool,
          maxLength: longest(plan, model),
          padMultiple,
          start
        })
      )
    ),
  splits: ({ model }, plan, file) =>
    openClassification(rowsOf(plan.data, model.labels, file), plan.seed).pipe(onlySplits),
  evaluate: (adapted, plan, source, { rows, mistakes, done }) =>
    Effect.gen(function* () {
      const { padMultiple } = yield* Device
      const { model } = adapted
      return yield* evaluationBatches(source, model.tokenizer, {
        batchSize: plan.training.evaluateBatchSize,
        maxLength: longest(plan, model),
        padMultiple,
        ...(rows === undefined ? {} : { rows })
      }).pipe(
        evaluate(adapted, (count, scored) => {
          mistakes?.add(scored)
          return done(count)
        })
      )
    }),
  predict: (adapted, plan, texts) =>
    Effect.gen(function* () {
      const { padMultiple } = yield* Device
      const { model } = adapted
      const maxLength = longest(plan, model)
      return yield* predictionsOf(texts, plan.training.evaluateBatchSize, model.labels, (some) => {
        const examples = some.map((text) => ({ ...model.tokenizer.encode(text, maxLength), label: 0 }))
        return logitsOf(adapted, padBatch(examples, { padId: model.tokenizer.padId, padMultiple, maxLength }))
      })
    }),
  save: (adapted, resolved, folder) => saveAdapter(adapted, resolved, folder),
  restore: (adapted, _, folder) => restoreAdapter(adapted, folder)
}
