/** Image classification with a Hugging Face model: training and inference. */
import * as Effect from "effect/Effect"
import type { ImagesPlan } from "../../../schemas/index.ts"
import {
  augmentationOf,
  type ImageClasses,
  imageEvaluationBatches,
  imagesOf,
  imageTrainingBatches,
  inputProblem,
  openImages,
  openPreparing,
  pixelsIn,
  readyImages
} from "../../data/images/index.ts"
import type { ClassificationSplit } from "../../data/index.ts"
import type { ResolvedPlan } from "../../plan/index.ts"
import { computesThing } from "../../ranks/index.ts"
import { evaluateClasses, keepMistakes, logitsOf } from "../../training/index.ts"
import { adapterFolder } from "../contract/adapter-folder.ts"
import type { Runner } from "../contract/index.ts"
import { askedExamples, askedImage, pictureOf } from "../rows/pictures.ts"
import { onlySplits, plannedLoss, predictionsOf, rowsOf } from "../rows/predictions.ts"
import type { DescribedImages } from "./image-task.ts"
import type { ImagesModel } from "./task.ts"

export type ResolvedImagesPlan = ResolvedPlan<ImagesPlan, DescribedImages, ImageClasses>

export const runImages: Runner<ImagesPlan, ResolvedImagesPlan, ImagesModel, ClassificationSplit> = {
  loss: (_, { plan, data }) => plannedLoss(plan, data),
  // weights that are trained in full are not rounded
  load: ({ plan, model, selected }) =>
    Effect.gen(function* () {
      const loaded = yield* model.load({ seed: plan.seed, weights: plan.model.weights, whole: selected.parameters })
      const onDevice: ImagesModel = { ...model, ...loaded, ...(yield* openPreparing(model.processing)) }
      return onDevice
    }),
  batches: (model, { plan, data }, start) =>
    imageTrainingBatches(data.splits.train, model, {
      seed: plan.seed,
      batchSize: plan.training.batchSize,
      start,
      augmentation: augmentationOf(plan.data)
    }),
  splits: ({ model }, plan, file) => openImages(rowsOf(plan.data, model.labels, file), plan.seed).pipe(onlySplits),
  evaluate: (adapted, plan, source, { rows, ...options }) =>
    Effect.flatMap(computesThing, (computes) =>
      imageEvaluationBatches(source, adapted.model, {
        batchSize: plan.training.evaluateBatchSize,
        rows,
        needed: computes
      }).pipe(evaluateClasses(adapted, source.labels, options))
    ),
  asking: { fields: (_, plan) => askedImage(plan), examples: askedExamples },
  problemOf: (_, plan, row) => inputProblem(row, plan.data),
  images: {
    pixels: ({ data }, row) => pixelsIn(row, data),
    decoded: ({ model, ...adapted }, plan, inputs) =>
      Effect.gen(function* () {
        const images = yield* imagesOf(inputs, plan.data)
        const batch = yield* readyImages(images, model, true)
        return predictionsOf(images, images.length, model.labels, () => logitsOf({ model, ...adapted }, batch))
      })
  },
  predict: (adapted, plan, inputs, folder) =>
    Effect.gen(function* () {
      const images = yield* imagesOf(inputs, plan.data, folder)
      return yield* predictionsOf(images, plan.training.evaluateBatchSize, adapted.model.labels, (some) =>
        Effect.flatMap(readyImages(some, adapted.model), (batch) => logitsOf(adapted, batch))
      )
    }),
  keepMistakes: (source, limit) => keepMistakes(source, limit, pictureOf),
  ...adapterFolder
}
