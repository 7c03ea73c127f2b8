/** What trains a `tf.LayersModel` over labelled rows. The adapter's folder is one that `loadAdapter` takes. */
import type { Tensor1D } from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { ClassificationData, ClassificationSplit } from "../data/index.ts"
import { fileError, refuseLink, writeFileAtomic } from "../files/index.ts"
import { MODEL_FILE, peftFiles, readPeftFile, restoreTensors, savedAdapter } from "../layers-model/index.ts"
import { type LayersClassifier, loadLayersClassifier } from "../models/index.ts"
import { evaluate, keepMistakes, logitsOf, wrongRows } from "../training/index.ts"
import type { Runner } from "./kind.ts"
import { onlySplits, plannedLoss, predictionsOf, rowsOf } from "./labelled-run.ts"
import { type LayersPlan, type LayersRows, type ResolvedLayersPlan, shapeOf } from "./layers-rows.ts"

export const layersRunner = <Plan extends LayersPlan, Data extends ClassificationData>(
  rows: LayersRows<Plan, Data>
): Runner<Plan, ResolvedLayersPlan<Plan, Data>, LayersClassifier, ClassificationSplit> => ({
  loss: ({ logits }, { plan, data }) => {
    const loss = plannedLoss(plan, data)
    return (outputs, [classes]) => loss(logits(outputs), classes as Tensor1D)
  },
  load: ({ plan, model }) => loadLayersClassifier(model, plan.model.head),
  batches: (model, { plan, data }, start) => rows.training(data.splits.train, plan, shapeOf(model), start),
  splits: ({ model }, plan, file) =>
    rows.open(rowsOf(plan.data, model.labels, file), plan.seed, shapeOf(model)).pipe(onlySplits),
  evaluate: (adapted, plan, source, { rows: some, mistakes, done }) =>
    rows.evaluation(source, plan, shapeOf(adapted.model), some).pipe(
      evaluate(adapted, (count, scored) => {
        mistakes?.add(wrongRows(scored, source.labels))
        return done(count)
      })
    ),
  problemOf: ({ model }, plan, asked) => rows.problemOf(asked, plan, shapeOf(model)),
  predict: (adapted, plan, asked) =>
    predictionsOf(
      asked.map((one) => ({ text: rows.textOf(one, plan) })),
      plan.training.evaluateBatchSize,
      adapted.model.labels,
      (some) => Effect.flatMap(rows.read(some, plan, shapeOf(adapted.model)), (batch) => logitsOf(adapted, batch))
    ),
  save: (adapted, resolved, folder) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const { plan, selected } = resolved
      yield* refuseLink(folder)
      yield* fs.makeDirectory(folder, { recursive: true }).pipe(Effect.mapError(fileError("write", folder)))
      const saved = yield* savedAdapter({ adapted, config: plan.adapter, seed: plan.seed }, plan.model.head)
      const files = yield* peftFiles({ adapted, selected }, saved)
      for (const [name, bytes] of Object.entries(files)) yield* writeFileAtomic(path.join(folder, name), bytes)
    }),
  restore: (adapted, _, folder) =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const file = path.join(folder, MODEL_FILE)
      const { tensors } = yield* readPeftFile(file)
      yield* restoreTensors(adapted, tensors, file)
    }),
  keepMistakes
})
