/**
 * Converts rows to batches, for any type of row: the order of rows, the rows that share a batch, and the position from which a run resumes.
 *
 * Training batches are endless, epoch after epoch. The rows of batch (epoch, index) depend on the data, the seed and
 * the sizes only, so a run that starts at (epoch, index) continues exactly like one that reached it. An epoch uses every row once:
 * `bucketPool` batches of shuffled rows form a pool, the remainder a last and smaller one. (The reference study drops the remainder.)
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomStream } from "../numbers/index.ts"
import type { DataError } from "./data-error.ts"
import { type BatchPosition, batchesPerEpoch, bucketBatches, epochOrders, inStretches } from "./order.ts"

/** Rows that become batches. */
export interface Batching<Item, Batch> {
  /** number of rows */
  readonly rows: number
  /** Reads the rows at `indices`, in that order, ready for a batch. */
  readonly read: (indices: ArrayLike<number>) => Effect.Effect<ReadonlyArray<Item>, DataError>
  /** Returns the cost of a row: rows of similar length share a batch. */
  readonly lengthOf: (item: Item) => number
  /** Joins rows into one batch. */
  readonly pad: (items: ReadonlyArray<Item>) => Batch
}

/** Options for shuffled batches: pools, within which rows are sorted by length. */
export interface PoolOptions {
  /** seed of the row order of all epochs */
  readonly seed: number
  /** rows per batch, at least 1; the last batch of an epoch may be smaller */
  readonly batchSize: number
  /** batches per pool, at least 1 */
  readonly bucketPool: number
  /** first batch to yield; default: the first of epoch 0 */
  readonly start?: BatchPosition | undefined
}

/** Position of a batch in training. */
export interface Numbered {
  /** epoch, from 0 */
  readonly epoch: number
  /** index within the epoch, from 0 */
  readonly index: number
}

/** Yields batches endlessly. Requires at least one row. */
export const pooledBatches = <Item, Batch extends object>(
  batching: Batching<Item, Batch>,
  { seed, batchSize, bucketPool, start = { epoch: 0, batch: 0 } }: PoolOptions
): Stream.Stream<Batch & Numbered, DataError> => {
  const { rows, read, lengthOf, pad } = batching
  const perEpoch = batchesPerEpoch(rows, batchSize)
  const poolRows = batchSize * bucketPool
  // Per run of the stream, since it holds an epoch's order: 4 bytes per row.
  return Stream.suspend(() => {
    const orderOf = epochOrders(rows, seed)
    const poolOf = (epoch: number, pool: number) =>
      Effect.map(read(orderOf(epoch).subarray(pool * poolRows, (pool + 1) * poolRows)), (items) => {
        const random = randomStream(seed, "pool", epoch, pool)
        return bucketBatches(items, lengthOf, batchSize, random).map((batch, i) => ({
          ...pad(batch),
          epoch,
          index: pool * bucketPool + i
        }))
      })
    return Stream.paginate(normalized(start, perEpoch), ({ epoch, batch }) => {
      const pool = Math.floor(batch / bucketPool)
      return Effect.map(poolOf(epoch, pool), (batches) => {
        const next = (pool + 1) * bucketPool
        const after = next >= perEpoch ? { epoch: epoch + 1, batch: 0 } : { epoch, batch: next }
        return [batches.filter(({ index }) => index >= batch), Option.some(after)] as const
      })
    })
  })
}

/** The end of an epoch is the start of the next. */
const normalized = ({ epoch, batch }: BatchPosition, perEpoch: number): BatchPosition => ({
  epoch: epoch + Math.floor(batch / perEpoch),
  batch: batch % perEpoch
})

// Batches of full size are sorted together: 2,048 rows at the default size. Longer stretches hardly reduce padding further.
const batchesPerStretch = 32

/**
 * Yields every row once, sorted by length within stretches of the file, which reduces padding while memory does not grow with the file.
 * `cut` converts the rows of a stretch, with their indices, to items. The stream is finite, and identical on every run.
 */
export const stretchedBatches = <Item, Batch>(
  { rows, read }: Pick<Batching<Item, Batch>, "rows" | "read">,
  {
    batchSize,
    rows: limit = rows
  }: {
    /** maximum rows per batch */
    readonly batchSize: number
    /** number of rows from the start of the file; default and maximum: all */
    readonly rows?: number | undefined
  },
  cut: (items: ReadonlyArray<Item>, indices: Uint32Array) => ReadonlyArray<Batch>
): Stream.Stream<Batch, DataError> =>
  inStretches(Math.min(rows, limit), batchSize * batchesPerStretch, (indices) =>
    Effect.map(read(indices), (items) => cut(items, indices))
  )
