/**
 * The batches of training, epoch after epoch without end. Which rows the batch (epoch, index) holds depends on the
 * data, the seed and the sizes alone, so a run that starts at (epoch, index) goes on exactly as one that came there.
 *
 * An epoch uses every row once: `bucketPool` batches of shuffled rows make a pool, the rest a last and smaller one.
 * (The reference study drops the rest.)
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomStream } from "../numbers/index.ts"
import { bucketBatches } from "./buckets.ts"
import type { ClassificationSplit } from "./classification-split.ts"
import type { DataError } from "./data-error.ts"
import { epochOrder } from "./order.ts"
import { padBatch } from "./padding.ts"
import type { Batch } from "./row.ts"
import { type TextTokenizer, tokenizeRows } from "./tokenize.ts"

export interface TrainingBatchOptions {
  readonly seed: number
  readonly batchSize: number
  /** batches a pool */
  readonly bucketPool: number
  /** tokens of a text at most */
  readonly maxLength: number
  /** batch lengths are rounded up to a multiple of this; 1 unless given */
  readonly padMultiple?: number
  /** the first batch to yield; the first of epoch 0 unless given */
  readonly start?: BatchPosition
}

/** Both count from 0; `batch` within the epoch. */
export interface BatchPosition {
  readonly epoch: number
  readonly batch: number
}

export interface TrainingBatch extends Batch {
  readonly epoch: number
  /** within the epoch */
  readonly index: number
}

export const batchesPerEpoch = (rows: number, batchSize: number): number => Math.ceil(rows / batchSize)

/** Endless batches of a split that has at least one row. */
export const trainingBatches = (
  split: ClassificationSplit,
  tokenizer: TextTokenizer,
  options: TrainingBatchOptions
): Stream.Stream<TrainingBatch, DataError> => {
  const first = normalized(options.start ?? { epoch: 0, batch: 0 }, batchesPerEpoch(split.rows, options.batchSize))
  // Per run of the stream, since it holds an epoch's order: 4 bytes a row.
  return Stream.suspend(() => {
    const poolOf = poolReader(split, tokenizer, options)
    return Stream.paginate(first, ({ epoch, batch }) => {
      const pool = Math.floor(batch / options.bucketPool)
      return Effect.map(poolOf(epoch, pool), (batches) => {
        const next = (pool + 1) * options.bucketPool
        const ended = next >= batchesPerEpoch(split.rows, options.batchSize)
        const after = ended ? { epoch: epoch + 1, batch: 0 } : { epoch, batch: next }
        return [batches.filter(({ index }) => index >= batch), Option.some(after)] as const
      })
    })
  })
}

/** Tokenises, sorts and pads one pool of an epoch; keeps the order of the epoch that was asked for last. */
const poolReader = (split: ClassificationSplit, tokenizer: TextTokenizer, options: TrainingBatchOptions) => {
  const { seed, batchSize, bucketPool, maxLength, padMultiple = 1 } = options
  const padding = { padId: tokenizer.padId, padMultiple, maxLength }
  let current: { readonly epoch: number; readonly order: Uint32Array } = { epoch: -1, order: new Uint32Array(0) }
  return (epoch: number, pool: number): Effect.Effect<ReadonlyArray<TrainingBatch>, DataError> =>
    Effect.gen(function* () {
      if (current.epoch !== epoch) current = { epoch, order: epochOrder(split.rows, seed, epoch) }
      const poolRows = batchSize * bucketPool
      const rows = yield* split.read(current.order.subarray(pool * poolRows, (pool + 1) * poolRows))
      const examples = yield* tokenizeRows(rows, tokenizer, split.labels, maxLength)
      const random = randomStream(seed, "pool", epoch, pool)
      return bucketBatches(examples, (example) => example.ids.length, batchSize, random).map((batch, i) => ({
        ...padBatch(batch, padding),
        epoch,
        index: pool * bucketPool + i
      }))
    })
}

/** The end of an epoch is the start of the next. */
const normalized = ({ epoch, batch }: BatchPosition, perEpoch: number): BatchPosition => ({
  epoch: epoch + Math.floor(batch / perEpoch),
  batch: batch % perEpoch
})
