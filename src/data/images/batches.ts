/**
 * Batches of images: input values of a model with the class of each image. The rows of batch (epoch, index) and their random augmentation
 * depend on the data, the seed and the batch size only.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ImagesData } from "../../../schemas/index.ts"
import {
  type Augmentation,
  type ImageError,
  type ImageJob,
  imagePool,
  type Processing,
  preparedImages
} from "../../images/index.ts"
import type { Numbered } from "../batching.ts"
import { DataError, dataError } from "../data-error.ts"
import { DataFiles, openFile, openSystemFile } from "../file.ts"
import { type BatchPosition, batchesPerEpoch, epochOrders, inStretches } from "../order.ts"
import type { ClassificationSplit, LabelledText } from "../source.ts"

/** A batch of preprocessed images, with the class of each. */
export interface ImageBatch {
  readonly size: number
  /** equal to the number of rows; the unit of a step's speed */
  readonly tokens: number
  /** input values, shape [size, height, width, channels] */
  readonly pixels: Float32Array
  /** classes, shape `[size]` */
  readonly labels: Int32Array
  /** row indices in the split, shape `[size]` */
  readonly rows: Uint32Array
}

/** Preprocesses images for a model. */
export interface Preparing {
  /** Returns shape [images, height, width, channels], in order. `augmentation` applies to jobs with `random`. */
  readonly prepare: (
    jobs: ReadonlyArray<ImageJob>,
    augmentation?: Augmentation
  ) => Effect.Effect<Float32Array, ImageError>
  /** Processes a few images on this thread, without concurrent work. */
  readonly prepareFew: (jobs: ReadonlyArray<ImageJob>) => Effect.Effect<Float32Array, ImageError>
  /** number of batches to prepare concurrently during training steps */
  readonly ahead: number
}

// decoding this number of images takes less time than starting a thread
const few = 4

/** Preprocesses images on other threads, if available, which stop when the scope closes. */
export const openPreparing = (
  processing: Processing
): Effect.Effect<Preparing, never, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const { prepared, ahead } = yield* imagePool()
    const files = yield* Effect.context<FileSystem.FileSystem>()
    return {
      prepare: (jobs, augmentation) => prepared(jobs, processing, augmentation),
      prepareFew: (jobs) =>
        jobs.length > few ? prepared(jobs, processing) : Effect.provideContext(preparedImages(jobs, processing), files),
      ahead
    }
  })

export interface ImageTrainingOptions {
  readonly seed: number
  readonly batchSize: number
  readonly start: BatchPosition
  /** default: none */
  readonly augmentation?: Augmentation | undefined
}

export interface ImageEvaluationOptions {
  readonly batchSize: number
  readonly rows?: number | undefined
  readonly needed?: (batch: number) => boolean
}

export const augmentationOf = ({ augment }: Pick<ImagesData, "augment">): Augmentation | undefined =>
  augment === undefined ? undefined : { flip: augment.flip, crop: augment.crop ?? null }

/** Yields batches endlessly, epoch after epoch, each epoch in its own seeded order; the last batch of an epoch may be smaller. */
export const imageTrainingBatches = (
  split: ClassificationSplit,
  preparing: Preparing,
  { seed, batchSize, start, augmentation }: ImageTrainingOptions
): Stream.Stream<ImageBatch & Numbered, DataError> => {
  const perEpoch = batchesPerEpoch(split.rows, batchSize)
  return Stream.suspend(() => {
    const orderOf = epochOrders(split.rows, seed)
    const positions = Stream.paginate(start, ({ epoch: from, batch: at }) => {
      const [epoch, index] = [from + Math.floor(at / perEpoch), at % perEpoch]
      const rows = orderOf(epoch).slice(index * batchSize, (index + 1) * batchSize)
      return Effect.succeed([[{ epoch, index, rows }], Option.some({ epoch, batch: index + 1 })] as const)
    })
    return Stream.mapEffect(
      positions,
      ({ epoch, index, rows }) =>
        Effect.map(
          readBatch(split, rows, preparing, augmentation === undefined ? undefined : { seed, epoch, augmentation }),
          (batch) => ({ ...batch, epoch, index })
        ),
      { concurrency: preparing.ahead }
    )
  })
}

/** Yields the first `rows` rows in order, each once. `needed`: batches that need their pixels, which others lack; default: all. */
export const imageEvaluationBatches = (
  split: ClassificationSplit,
  preparing: Preparing,
  { batchSize, rows = split.rows, needed = () => true }: ImageEvaluationOptions
): Stream.Stream<ImageBatch, DataError> =>
  inStretches(Math.min(rows, split.rows), batchSize, (indices) => Effect.succeed([indices])).pipe(
    Stream.zipWithIndex,
    Stream.mapEffect(([indices, i]) => readBatch(split, indices, needed(i) ? preparing : nothingPrepared), {
      concurrency: preparing.ahead
    })
  )

/** Preprocesses images in memory or of files as one batch. They have no class: the labels are 0. `apart`: uses other threads even for a few. */
export const readyImages = (
  images: ReadonlyArray<LabelledText>,
  { prepare, prepareFew }: Preparing,
  apart = false
): Effect.Effect<ImageBatch, DataError> =>
  Effect.map(pixelsOf(images, { prepare: apart ? prepare : prepareFew }), (pixels) => ({
    size: images.length,
    tokens: images.length,
    pixels,
    labels: new Int32Array(images.length),
    rows: Uint32Array.from(images, (_, i) => i)
  }))

/** Random augmentation of an epoch's images. */
interface Changes {
  readonly seed: number
  readonly epoch: number
  readonly augmentation: Augmentation
}

const nothingPrepared: Pick<Preparing, "prepare"> = { prepare: () => Effect.succeed(new Float32Array(0)) }

const readBatch = (
  split: ClassificationSplit,
  rows: Uint32Array,
  preparing: Pick<Preparing, "prepare">,
  changes?: Changes
): Effect.Effect<ImageBatch, DataError> =>
  Effect.gen(function* () {
    const read = yield* split.read(rows)
    return {
      size: rows.length,
      tokens: rows.length,
      pixels: yield* pixelsOf(read, preparing, changes, rows),
      labels: Int32Array.from(read, ({ label }) => split.labels.indexOf(label)),
      rows
    }
  })

const pixelsOf = (
  images: ReadonlyArray<LabelledText>,
  { prepare }: Pick<Preparing, "prepare">,
  changes?: Changes,
  rows?: Uint32Array
): Effect.Effect<Float32Array, DataError> =>
  Effect.gen(function* () {
    const jobs = yield* Effect.forEach(images, jobOf)
    const { seed, epoch } = changes ?? { seed: 0, epoch: 0 }
    const all =
      changes === undefined ? jobs : jobs.map((job, i) => ({ ...job, random: { seed, epoch, row: rows![i]! } }))
    return yield* Effect.mapError(
      prepare(all, changes?.augmentation),
      ({ where, message }) => new DataError({ where, problems: [message], total: 1 })
    )
  })

/** Returns the job for a row's image. Files that are not the system's (a page's, in memory) are read here, others where they are decoded. */
const jobOf = (row: LabelledText): Effect.Effect<ImageJob, DataError> =>
  Effect.gen(function* () {
    const { image, text, where } = row
    if (typeof image !== "string") return { image: yield* imageBytes(row), where }
    const imageName = where.endsWith(text) ? where : `${where} (${text})`
    const isSystem = (yield* DataFiles) === openSystemFile
    return { image: isSystem ? image : yield* imageBytes(row), where: imageName }
  })

/** Returns the bytes of an image, from its file or from its row. */
export const imageBytes = ({ image, where }: LabelledText): Effect.Effect<Uint8Array, DataError> => {
  if (image === undefined) return Effect.fail(dataError(where, "found a row without an image; expected one"))
  if (typeof image !== "string") return Effect.succeed(image)
  return Effect.scoped(Effect.flatMap(openFile(image), (file) => file.read(0, file.size)))
}
