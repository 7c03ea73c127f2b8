/** Prepares batches of images on the current thread. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { decodedImage } from "./decode.ts"
import { imageBytes } from "./file.ts"
import type { Augmentation, ImageError, ImageJob, Processing } from "./image.ts"
import { numbersOf, processInto } from "./process.ts"

/** Writes a preprocessed image into `out`, shape [height, width, channels]. */
export const prepareInto = (
  out: Float32Array,
  { image, where, random }: ImageJob,
  processing: Processing,
  augmentation: Augmentation | undefined
): Effect.Effect<void, ImageError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const bytes = typeof image === "string" ? yield* imageBytes(image, where) : image
    const pixels = yield* decodedImage(bytes, where)
    processInto(out, pixels, processing, augmentation, random)
  })

/**
 * Preprocesses images sequentially on this thread. Shape [jobs, height, width, channels]. `augmentation` applies to the jobs
 * with `random`. Fails with the first image that cannot be read.
 */
export const preparedImages = (
  jobs: ReadonlyArray<ImageJob>,
  processing: Processing,
  augmentation?: Augmentation | undefined
): Effect.Effect<Float32Array<ArrayBuffer>, ImageError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const numbers = numbersOf(processing)
    const out = new Float32Array(jobs.length * numbers)
    for (const [index, job] of jobs.entries()) {
      yield* prepareInto(out.subarray(index * numbers, (index + 1) * numbers), job, processing, augmentation)
    }
    return out
  })
