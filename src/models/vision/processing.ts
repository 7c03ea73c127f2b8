/** What a checkpoint's images are prepared by: its preprocessor_config.json. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { type Processing, type ProcessorName, processingOf } from "../../images/index.ts"
import { readJson } from "../checkpoint.ts"
import { ModelError } from "../model.ts"
import type { ImageDescription } from "./image-model.ts"

/** Preprocessing of a model's images, and the assumptions about it. */
export interface Processed {
  /** steps from a decoded image to the model's input */
  readonly processing: Processing
  /** assumptions that no file states, a sentence each */
  readonly notes: ReadonlyArray<string>
}

const FILE = "preprocessor_config.json"

/**
 * Reads the preprocessing of a model. `processor`: transformers' class if the file names none. Without a file, images are stretched to the
 * model's size.
 */
export const readProcessing = (
  { folder, image: { height, width } }: Pick<ImageDescription, "folder" | "image">,
  processor: ProcessorName
): Effect.Effect<Processed, ModelError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const fail = (problems: ReadonlyArray<string>) =>
      new ModelError({ folder, problems: problems.map((problem) => `${FILE}: ${problem}`) })
    const isThere = yield* Effect.orElseSucceed(fs.exists(path.join(folder, FILE)), () => false)
    const size = { height, width }
    const readResult = processingOf(isThere ? yield* readJson(folder, FILE) : { size, crop_size: size }, processor)
    if ("problems" in readResult) return yield* fail(readResult.problems)
    const { processing } = readResult
    if (processing.size.height !== height || processing.size.width !== width) {
      const made = `${processing.size.height}×${processing.size.width}`
      return yield* fail([`makes images of ${made}, but the model of config.json expects ${height}×${width}`])
    }
    const note = `model ${folder}: has no ${FILE}; images are stretched to ${width}×${height} and converted with the defaults of ${processor}`
    return { processing, notes: isThere ? [] : [note] }
  })
