/** Labelled rows of numbers and a `tf.LayersModel`. The adapter's folder is one that `loadAdapter` takes. */
import type { Tensor1D } from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { ArraysPlan } from "../../../schemas/index.ts"
import {
  arrayEvaluationBatches,
  arrayTrainingBatches,
  type ClassificationSplit,
  numbersProblem,
  openArrays,
  readNumbers
} from "../../data/index.ts"
import { fileError, refuseLink, writeFileAtomic } from "../../files/index.ts"
import { MODEL_FILE, peftFiles, readPeftFile, restoreTensors, savedAdapter } from "../../layers-model/index.ts"
import { type LayersClassifier, loadLayersClassifier } from "../../models/index.ts"
import { evaluate, keepMistakes, logitsOf, wrongRows } from "../../training/index.ts"
import type { Asked, Runner } from "../kind.ts"
import { onlySplits, plannedLoss, predictionsOf, rowsOf } from "../labelled-run.ts"
import { type ResolvedArraysPlan, shapeOf } from "./resolve.ts"

const rowText = (row: Asked): string => (typeof row === "string" ? row : JSON.stringify(row))

export const runArrays: Runner<ArraysPlan, ResolvedArraysPlan, LayersClassifier, ClassificationSplit> = {
  loss: ({ logits }, { plan, data }) => {
    const loss = plannedLoss(plan, data)
    return (outputs, [classes]) => loss(logits(outputs), classes as Tensor1D)
  },
  load: ({ plan, model }) => loadLayersClassifier(model, plan.model.head),
  batches: (model, { plan, data }, start) =>
    arrayTrainingBatches(data.splits.train, {
      seed: plan.seed,
      batchSize: plan.training.batchSize,
      shape: shapeOf(model),
      scale: plan.data.scale,
      start
    }),
  splits: ({ model }, plan, file) => {
    const size = shapeOf(model).reduce((product, n) => product * n, 1)
    return openArrays(rowsOf(plan.data, model.labels, file), plan.seed, size).pipe(onlySplits)
  },
  evaluate: (adapted, plan, source, { rows, mistakes, done }) =>
    arrayEvaluationBatches(source, {
      batchSize: plan.training.evaluateBatchSize,
      shape: shapeOf(adapted.model),
      scale: plan.data.scale,
      ...(rows === undefined ? {} : { rows })
    }).pipe(
      evaluate(adapted, (count, scored) => {
        mistakes?.add(wrongRows(scored, source.labels))
        return done(count)
      })
    ),
  problemOf: ({ model }, plan, row) => numbersProblem(rowText(row), plan.data, shapeOf(model)),
  predict: (adapted, plan, asked) =>
    Effect.gen(function* () {
      const shape = shapeOf(adapted.model)
      const rows = asked.map((row) => ({ text: rowText(row) }))
      return yield* predictionsOf(rows, plan.training.evaluateBatchSize, adapted.model.labels, (some) =>
        Effect.flatMap(readNumbers(some, plan.data, shape), (batch) => logitsOf(adapted, batch))
      )
    }),
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
}
