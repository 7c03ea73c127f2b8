/** Training and inference of a `tf.LayersModel` over labelled rows. `loadAdapter` loads the adapter's folder. */
import type { Tensor1D } from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { ClassificationData, ClassificationSplit } from "../../data/index.ts"
import { fileError, refuseLink, writeFileAtomic } from "../../files/index.ts"
import { MODEL_FILE, peftFiles, readPeftFile, restoreTensors, savedAdapter } from "../../layers-model/index.ts"
import { loadLayersClassifier } from "../../models/index.ts"
import { evaluateClasses, logitsOf } from "../../training/index.ts"
import type { Runner } from "../contract/index.ts"
import { onlySplits, plannedLoss, predictionsOf, rowsOf } from "../rows/predictions.ts"
import {
  type LayersPlan,
  type LayersRows,
  type LayersWithRows,
  type ResolvedLayersPlan,
  rowsFor,
  shapeOf
} from "./rows.ts"

export const layersRunner = <Plan extends LayersPlan, Data extends ClassificationData, Ready>(
  rows: LayersRows<Plan, Data, Ready>
): Runner<Plan, ResolvedLayersPlan<Plan, Data>, LayersWithRows<Ready>, ClassificationSplit> => ({
  loss: ({ logits }, { plan, data }) => {
    const loss = plannedLoss(plan, data)
    return (outputs, [classes]) => loss(logits(outputs), classes as Tensor1D)
  },
  load: ({ plan, model: described }) =>
    Effect.gen(function* () {
      const model = yield* loadLayersClassifier(described, plan.seed)
      return { ...model, ready: yield* rows.ready(plan, shapeOf(model)) }
    }),
  batches: (model, { plan, data }, start) => rows.training(data.splits.train, rowsFor(model, plan), start),
  splits: ({ model }, plan, file) =>
    rows.open(rowsOf(plan.data, model.labels, file), plan.seed, shapeOf(model)).pipe(onlySplits),
  evaluate: (adapted, plan, source, { rows: some, ...options }) =>
    rows.evaluation(source, rowsFor(adapted.model, plan), some).pipe(evaluateClasses(adapted, source.labels, options)),
  asking: {
    fields: ({ model }, plan) => rows.asking.fields(plan, shapeOf(model)),
    examples: rows.asking.examples
  },
  problemOf: ({ model }, plan, input) => rows.problemOf(input, plan, shapeOf(model)),
  ...(rows.pixels === undefined
    ? {}
    : {
        images: {
          pixels: (plan, input) => rows.pixels!(input, plan),
          decoded: ({ model, ...adapted }, plan, inputs) =>
            Effect.gen(function* () {
              const all = yield* rows.inputRows(inputs, plan, undefined)
              const batch = yield* rows.read(all, rowsFor(model, plan), true)
              return predictionsOf(all, all.length, model.labels, () => logitsOf({ model, ...adapted }, batch))
            })
        }
      }),
  predict: (adapted, plan, inputs, folder) =>
    Effect.gen(function* () {
      const { model } = adapted
      const all = yield* rows.inputRows(inputs, plan, folder)
      return yield* predictionsOf(all, plan.training.evaluateBatchSize, model.labels, (some) =>
        Effect.flatMap(rows.read(some, rowsFor(model, plan)), (batch) => logitsOf(adapted, batch))
      )
    }),
  save: (adapted, resolved, folder) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const { plan, selected, model } = resolved
      yield* refuseLink(folder)
      yield* fs.makeDirectory(folder, { recursive: true }).pipe(Effect.mapError(fileError("write", folder)))
      const saved = yield* savedAdapter({ adapted, config: plan.adapter, seed: plan.seed }, model.headPaths)
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
  keepMistakes: rows.keepMistakes
})
