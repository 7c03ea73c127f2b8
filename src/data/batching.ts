/**
 * From rows to batches, whatever a row is: in which order rows come, which of them share a batch, and where a run goes on.
 *
 * Training batches come epoch after epoch without end. Which rows the batch (epoch, index) holds depends on the data, the seed and
 * the sizes alone, so a run that starts at (epoch, index) continues exactly as one that came there. An epoch uses every row once:
 * `bucketPool` batches of shuffled rows make a pool, the rest a last and smaller one. (The reference study drops the rest.)
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomStream } from "../numbers/index.ts"
import type { DataError } from "./data-error.ts"
import { type BatchPosition, batchesPerEpoch, bucketBatches, epochOrders, inStretches } from "./order.ts"

/** Rows that become batches. */
export interface Batching<Item, Batch> {
  /** how many there are */
  readonly rows: number
  /** The rows at `indices`, in that order, ready to be put into a batch. */
  readonly read: (indices: ArrayLike<number>) => Effect.Effect<ReadonlyArray<Item>, DataError>
  /** What a row costs: rows of like length share a batch. */
  readonly lengthOf: (item: Item) => number
  /** Some rows as one batch. */
  readonly pad: (items: ReadonlyArray<Item>) => Batch
}

/** How shuffled rows become batches: in pools, within which rows are sorted by length. */
export interface PoolOptions {
  /** of the orders of all epochs */
  readonly seed: number
  /** rows of a batch, at least 1; the last of an epoch may have fewer */
  readonly batchSize: number
  /** batches a pool, at least 1 */
  readonly bucketPool: number
  /** the first batch to yield; the first of epoch 0 unless given */
  readonly start?: BatchPosition | undefined
}

/** Where a batch is in training. */
export interface Numbered {
  /** from 0 */
  readonly epoch: number
  /** within the epoch */
  readonly index: number
}

/** Endless batches of at least one row. */
export const pooledBatches = <Item, Batch extends object>(
  batching: Batching<Item, Batch>,
  { seed, batchSize, bucketPool, start = { epoch: 0, batch: 0 } }: PoolOptions
): Stream.Stream<Batch & Numbered, DataError> => {
  const { rows, read, lengthOf, pad } = batching
  const perEpoch = batchesPerEpoch(rows, batchSize)
  const poolRows = batchSize * bucketPool
  // Per run of the stream, since it holds an epoch's order: 4 bytes a row.
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

// Batches of full size sorted together: 2,048 rows at the default size. Longer stretches save hardly any more padding.
const batchesPerStretch = 32

/**
 * Every row once, sorted by length within stretches of the file, so that little is padding and memory does not grow with the file: what
 * `cut` makes of the rows of a stretch, whose numbers it is given too. A finite stream, the same whenever it is run.
 */
export const stretchedBatches = <Item, Batch>(
  { rows, read }: Pick<Batching<Item, Batch>, "rows" | "read">,
  {
    batchSize,
    rows: wanted = rows
  }: {
    /** rows of a batch, at most */
    readonly batchSize: number
    /** how many from the start of the file; default and at most: all */
    readonly rows?: number | undefined
  },
  cut: (items: ReadonlyArray<Item>, indices: Uint32Array) => ReadonlyArray<Batch>
): Stream.Stream<Batch, DataError> =>
  inStretches(Math.min(rows, wanted), batchSize * batchesPerStretch, (indices) =>
    Effect.map(read(indices), (items) => cut(items, indices))
  )
