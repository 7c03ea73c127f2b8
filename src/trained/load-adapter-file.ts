/**
 * Loads an adapter of a `tf.LayersModel` without a run folder: saved by `adapted.save`, or downloaded from a page. Its file describes it
 * but has no class names, so the classes are numbered.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { Adapted } from "../../adapters/index.ts"
import { readNumbers } from "../data/index.ts"
import { ofDevice } from "../device/device.ts"
import { labelText } from "../kinds/rows/classes.ts"
import { predictionsOf } from "../kinds/rows/predictions.ts"
import { MODEL_FILE, readPeftFile, restoredAdapter } from "../layers-model/index.ts"
import { describeLayersClassifier, type LayersClassifier, loadLayersClassifier } from "../models/index.ts"
import { logitsOf } from "../training/index.ts"

/** Rows per forward pass. */
const BATCH_SIZE = 64

/** Returns the adapter's file: the path itself, or PEFT's file in that folder; undefined if there is no such file, or for a run folder. */
export const adapterFileAt = (location: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const there = (name: string) => fs.exists(path.join(location, name)).pipe(Effect.orElseSucceed(() => false))
    if (location.endsWith(".safetensors")) return location
    if (yield* there("plan.json")) return undefined
    return (yield* there(MODEL_FILE)) ? path.join(location, MODEL_FILE) : undefined
  })

/** Returns whether a file contains an adapter of a `tf.LayersModel`. */
export const isOfLayersModel = (file: string) =>
  readPeftFile(file).pipe(
    Effect.as(true),
    Effect.orElseSucceed(() => false)
  )

/** Loads the adapter onto the model at `source`, a model.json, until the scope closes. Predictions take JSON lists of numbers. */
export const loadAdapterFile = (file: string, source: string) =>
  Effect.gen(function* () {
    const saved = yield* readPeftFile(file)
    const { head, classes, seed } = saved.record
    const numbered = classes === undefined ? undefined : Array.from({ length: classes }, (_, i) => String(i))
    const description = yield* describeLayersClassifier(source, { head, labels: numbered })
    const model = yield* loadLayersClassifier(description, seed)
    const restored = yield* Effect.acquireRelease(restoredAdapter(model, saved, file), ({ close }) =>
      Effect.promise(close)
    )
    const adapted = restored.adapted as Adapted<LayersClassifier> // over the model that it was given
    const { labels, inputShape } = description
    const predict = (texts: ReadonlyArray<string>) =>
      predictionsOf(
        texts.map((text) => ({ text })),
        BATCH_SIZE,
        labels,
        (some) =>
          Effect.flatMap(readNumbers(some, { input: "input", scale: 1 }, inputShape), (batch) =>
            logitsOf(adapted, batch)
          )
      ).pipe(ofDevice)
    return { predict, inWords: labelText, batchSize: BATCH_SIZE }
  }).pipe(ofDevice)
