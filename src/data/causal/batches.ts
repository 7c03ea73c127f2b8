/**
 * Batches of token sequences, for training epoch after epoch without end, and for evaluation once. A run that starts at (epoch, batch)
 * continues exactly as one that came there.
 *
 * An epoch's order is cut into pools, stretches that are tokenised, sorted or packed together. Where an epoch's batches are and what
 * they hold is a function of (data, tokenizer, seed, epoch, sizes) alone, though packing decides how many batches a pool makes:
 *
 *   rows of a pool   batchSize · bucketPool / (rows of a batch that a row of data needs), measured on a sample of the data
 *   batch number     pool · stride + place in the pool      stride: bucketPool where a row of data is a row of a batch at most
 *                                                           and nothing is packed, else 2²⁰, more than any pool has
 *
 * So batch numbers of packed data leap from pool to pool, and a run that continues at a number finds its pool by a division.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomStream } from "../../numbers/index.ts"
import type { CausalRows, CausalTokenizer } from "../../tensors/index.ts"
import { type DataError, dataError } from "../data-error.ts"
import { type BatchPosition, epochOrders, inStretches } from "../order.ts"
import { type Batching, orderedBatches, originsOf, padRows, shuffledBatches } from "./batching.ts"
import { sampledRows } from "./measure.ts"
import type { CausalExample } from "./row.ts"
import { type CausalSplit, cut, examplesOf, sequencesOf } from "./split.ts"

export interface CausalTrainingBatchOptions extends PoolOptions {
  /** batch lengths are rounded up to a multiple of this; 1 unless given */
  readonly padMultiple?: number
  /** the first batch to yield; the first of epoch 0 unless given */
  readonly start?: BatchPosition
}

export interface CausalTrainingBatch extends CausalRows {
  /** from 0 */
  readonly epoch: number
  /** within the epoch: grows, but leaps from pool to pool where rows are packed or texts cut */
  readonly index: number
}

/** Endless batches of a split that has at least one row. */
export const causalTrainingBatches = (
  split: CausalSplit,
  tokenizer: Pick<CausalTokenizer, "padId">,
  options: CausalTrainingBatchOptions
): Stream.Stream<CausalTrainingBatch, DataError> =>
  // per run of the stream, since it holds an epoch's order
  Stream.unwrap(
    Effect.map(openPools(split, options), (pools) => {
      const batchesOf = poolBatches(pools, tokenizer, options)
      return Stream.paginate(firstPage(pools, options.start), ({ epoch, pool, from, seen }) =>
        Effect.gen(function* () {
          const batches = (yield* batchesOf(epoch, pool)).filter(({ index }) => index >= from)
          const ended = pool + 1 >= pools.count
          const any = seen || batches.length > 0
          if (ended && !any) return yield* dataError(split.where, nothingToLearn(options.maxLength))
          const next = ended
            ? { epoch: epoch + 1, pool: 0, from: 0, seen: false }
            : { epoch, pool: pool + 1, from: 0, seen: any }
          return [batches, Option.some(next)] as const
        })
      )
    })
  )

export const nothingToLearn = (maxLength: number): string =>
  `in no row is there anything to learn among the first ${maxLength} tokens; raise data.maxLength`

interface Page {
  readonly epoch: number
  readonly pool: number
  /** the number of the first batch that is wanted */
  readonly from: number
  /** whether the epoch has had a batch, or may have had one before the start */
  readonly seen: boolean
}

/** The end of an epoch is the start of the next. */
const firstPage = (pools: Pools, start: BatchPosition = { epoch: 0, batch: 0 }): Page => {
  const pool = Math.floor(start.batch / pools.stride)
  const epoch = start.epoch + Math.floor(pool / pools.count)
  return {
    epoch,
    pool: pool % pools.count,
    from: start.batch - (epoch - start.epoch) * pools.count * pools.stride,
    seen: start.batch > 0
  }
}

const poolBatches = (pools: Pools, { padId }: Pick<CausalTokenizer, "padId">, options: CausalTrainingBatchOptions) => {
  const { seed, maxLength, padMultiple = 1 } = options
  return (epoch: number, pool: number): Effect.Effect<ReadonlyArray<CausalTrainingBatch>, DataError> =>
    Effect.map(pools.examples(epoch, pool), (examples) =>
      shuffledBatches(examples, options, randomStream(seed, "pool", epoch, pool)).map((rows, i) => ({
        ...padRows(rows, { padId, padMultiple, maxLength }),
        epoch,
        index: pool * pools.stride + i
      }))
    )
}

// Epoch 0 is counted over at least this many rows of data: all of a small file, a sample of a large one to about 2 %.
const rowsCounted = 2_048

/** Batches of an epoch: exact where a row of a batch is a row of data, else what the first pools of epoch 0 have. */
export const causalBatchesPerEpoch = (split: CausalSplit, options: PoolOptions): Effect.Effect<number, DataError> =>
  Effect.gen(function* () {
    if (!isCounted(split, options)) return Math.ceil(split.rows / options.batchSize)
    const pools = yield* openPools(split, options)
    let batches = 0
    let rows = 0
    for (let pool = 0; pool < pools.count && rows < rowsCounted; pool++) {
      const examples = yield* pools.examples(0, pool)
      batches += shuffledBatches(examples, options, randomStream(options.seed, "pool", 0, pool)).length
      rows += Math.min(pools.rows, split.rows - rows)
    }
    return Math.max(1, Math.round((batches * split.rows) / rows))
  })

export interface PoolOptions extends Batching {
  /** of the orders of all epochs */
  readonly seed: number
  /** batches a pool; about as many where rows are packed */
  readonly bucketPool: number
}

export interface Pools {
  /** rows of data in a pool; in the last one of an epoch what is left */
  readonly rows: number
  /** pools an epoch */
  readonly count: number
  /** batch numbers from one pool to the next */
  readonly stride: number
  readonly examples: (epoch: number, pool: number) => Effect.Effect<ReadonlyArray<CausalExample>, DataError>
}

// The share that a row of data takes of a batch's row has a standard deviation of about its mean: 6 % of error.
const largestSample = 256

export const openPools = (split: CausalSplit, options: PoolOptions): Effect.Effect<Pools, DataError> =>
  Effect.gen(function* () {
    const { seed, batchSize, bucketPool, maxLength } = options
    const counted = isCounted(split, options)
    const share = counted ? yield* rowsNeeded(split, options) : 1
    const rows = Math.max(1, Math.round((batchSize * bucketPool) / share))
    const orderOf = epochOrders(split.rows, seed)
    return {
      rows,
      count: Math.ceil(split.rows / rows),
      stride: counted ? 2 ** 20 : bucketPool,
      examples: (epoch, pool) =>
        Effect.suspend(() => examplesOf(split, orderOf(epoch).subarray(pool * rows, (pool + 1) * rows), maxLength))
    }
  })

/** Whether a row of data is not a row of a batch. */
const isCounted = ({ tooLong, several }: CausalSplit, { packing }: Batching): boolean =>
  packing || several || tooLong === "continue"

/** How many rows of a batch a row of data needs, on average over a sample. */
const rowsNeeded = (split: CausalSplit, { maxLength, packing }: Batching): Effect.Effect<number, DataError> =>
  Effect.gen(function* () {
    const sequences = yield* sequencesOf(split, yield* sampledRows(split, largestSample))
    const needed = sequences.map((own) => {
      const pieces = own.flatMap((sequence) => cut(sequence, maxLength, split.tooLong))
      return packing ? pieces.reduce((total, { ids }) => total + ids.length, 0) / maxLength : pieces.length
    })
    return Math.max(1 / maxLength, needed.reduce((total, one) => total + one, 0) / needed.length)
  })

export interface CausalEvaluationBatchOptions extends Batching {
  /** rows from the start; all unless given */
  readonly rows?: number
  /** batch lengths are rounded up to a multiple of this; 1 unless given */
  readonly padMultiple?: number
}

export interface CausalEvaluationBatch extends CausalRows {
  /** `[size]`: the split's row numbers in each row of the batch, in the order of its segments */
  readonly rows: ReadonlyArray<ReadonlyArray<number>>
}

// Rows of data read together, in batches: longer stretches save hardly any more padding.
const batchesPerStretch = 32

/** Every example once, the same whenever it is run; memory does not grow with the file. Rows in which nothing is learned are left out. */
export const causalEvaluationBatches = (
  split: CausalSplit,
  { padId }: Pick<CausalTokenizer, "padId">,
  options: CausalEvaluationBatchOptions
): Stream.Stream<CausalEvaluationBatch, DataError> => {
  const { batchSize, maxLength, rows = split.rows, padMultiple = 1 } = options
  return inStretches(Math.min(split.rows, rows), batchSize * batchesPerStretch, (indices) =>
    Effect.map(examplesOf(split, indices, maxLength), (examples) =>
      orderedBatches(examples, options).map((batch) => ({
        ...padRows(batch, { padId, padMultiple, maxLength }),
        rows: originsOf(batch)
      }))
    )
  )
}
