/**
 * Batches of images: numbers of a model's input with the class of each. Which rows the batch (epoch, index) holds, and what changes at random
 * are made to them, depends on the data, the seed and the batch's size alone.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Augmentation, ImageError, ImageJob } from "../../images/index.ts"
import type { Numbered } from "../batching.ts"
import { DataError, dataError } from "../data-error.ts"
import { openFile } from "../file.ts"
import { type BatchPosition, batchesPerEpoch, epochOrders, inStretches } from "../order.ts"
import type { ClassificationSplit, LabelledText } from "../source.ts"

/** Images as a model sees them, with the class of each. */
export interface ImageBatch {
  readonly size: number
  /** as many as rows: the unit in which a step's speed is counted */
  readonly tokens: number
  /** [size, height, width, channels] */
  readonly pixels: Float32Array
  /** [size]: classes */
  readonly labels: Int32Array
  /** [size]: the split's row numbers */
  readonly rows: Uint32Array
}

/** Makes images ready: [images, height, width, channels], in their order. `augmentation`: changes at random to jobs that say on what they depend. */
export type Prepare = (
  jobs: ReadonlyArray<ImageJob>,
  augmentation?: Augmentation
) => Effect.Effect<Float32Array, ImageError>

export interface ImageTrainingOptions {
  readonly seed: number
  readonly batchSize: number
  readonly start: BatchPosition
  /** none unless given */
  readonly augmentation?: Augmentation | undefined
}

// while a step runs, so many batches are made ready for those that follow it
const batchesAhead = 2

/** Endless batches, epoch after epoch, each in its own seeded order; the last of an epoch may be smaller. */
export const imageTrainingBatches = (
  split: ClassificationSplit,
  prepare: Prepare,
  { seed, batchSize, start, augmentation }: ImageTrainingOptions
): Stream.Stream<ImageBatch & Numbered, DataError> => {
  const perEpoch = batchesPerEpoch(split.rows, batchSize)
  return Stream.suspend(() => {
    const orderOf = epochOrders(split.rows, seed)
    return Stream.paginate(start, ({ epoch: from, batch: at }) => {
      const [epoch, index] = [from + Math.floor(at / perEpoch), at % perEpoch]
      const rows = orderOf(epoch).slice(index * batchSize, (index + 1) * batchSize)
      const random = augmentation === undefined ? undefined : { seed, epoch }
      return Effect.map(
        readBatch(split, rows, prepare, random, augmentation),
        (batch) => [[{ ...batch, epoch, index }], Option.some({ epoch, batch: index + 1 })] as const
      )
    })
  }).pipe(ahead)
}

/** The first `rows` rows in their order, each once. */
export const imageEvaluationBatches = (
  split: ClassificationSplit,
  prepare: Prepare,
  { batchSize, rows = split.rows }: { readonly batchSize: number; readonly rows?: number | undefined }
): Stream.Stream<ImageBatch, DataError> =>
  inStretches(Math.min(rows, split.rows), batchSize, (indices) =>
    Effect.map(readBatch(split, indices, prepare), (batch) => [batch])
  ).pipe(ahead)

/** Images that a user names, as one batch. They have no class: the labels are 0. */
export const askedImages = (paths: ReadonlyArray<string>, prepare: Prepare): Effect.Effect<ImageBatch, DataError> =>
  Effect.flatMap(jobsOf(paths.map((path) => ({ text: path, label: "", where: path, image: path }))), (jobs) =>
    Effect.map(prepared(jobs, prepare), (pixels) => ({
      size: paths.length,
      tokens: paths.length,
      pixels,
      labels: new Int32Array(paths.length),
      rows: Uint32Array.from(paths, (_, i) => i)
    }))
  )

const ahead = <A, E, R>(batches: Stream.Stream<A, E, R>) => Stream.buffer(batches, { capacity: batchesAhead })

const readBatch = (
  split: ClassificationSplit,
  rows: Uint32Array,
  prepare: Prepare,
  random?: { readonly seed: number; readonly epoch: number },
  augmentation?: Augmentation
): Effect.Effect<ImageBatch, DataError> =>
  Effect.gen(function* () {
    const read = yield* split.read(rows)
    const jobs = yield* jobsOf(read)
    const dependent =
      random === undefined ? jobs : jobs.map((job, i) => ({ ...job, random: { ...random, row: rows[i]! } }))
    const pixels = yield* prepared(dependent, prepare, augmentation)
    const size = rows.length
    return {
      size,
      tokens: size,
      pixels,
      labels: Int32Array.from(read, ({ label }) => split.labels.indexOf(label)),
      rows
    }
  })

const filesInFlight = 16

/** The images of rows, as bytes: files are read here, whether they are the system's or a page's in memory. */
export const jobsOf = (rows: ReadonlyArray<LabelledText>): Effect.Effect<ReadonlyArray<ImageJob>, DataError> =>
  Effect.forEach(
    rows,
    ({ image, text, where }) => {
      if (image === undefined) return Effect.fail(dataError(where, "found a row without an image; expected one"))
      if (typeof image !== "string") return Effect.succeed({ image, where })
      const called = where.endsWith(text) ? where : `${where} (${text})`
      const bytes = Effect.scoped(Effect.flatMap(openFile(image), (file) => file.read(0, file.size)))
      return Effect.map(bytes, (image) => ({ image, where: called }))
    },
    { concurrency: filesInFlight }
  )

const prepared = (jobs: ReadonlyArray<ImageJob>, prepare: Prepare, augmentation?: Augmentation) =>
  Effect.mapError(
    prepare(jobs, augmentation),
    ({ where, message }) => new DataError({ where, problems: [message], total: 1 })
  )
