/**
 * Batches of token sequences, endless epochs for training and a single pass for evaluation. A run that starts at (epoch, batch)
 * continues exactly like one that reached it.
 *
 * The order of an epoch is divided into pools, stretches that are tokenized, sorted or packed together. The batches of an epoch and their
 * content are a function of (data, tokenizer, seed, epoch, sizes) only, although packing determines the number of batches of a pool:
 *
 *   rows of a pool   batchSize · bucketPool / (batch rows per data row), measured on a sample of the data
 *   batch number     pool · stride + position in the pool   stride: bucketPool if a data row is at most one batch row
 *                                                           and nothing is packed, else 2²⁰, more than any pool has
 *
 * So batch numbers of packed data skip values between pools, and a run that resumes at a number finds its pool by division.
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
  /** batch lengths are rounded up to a multiple of this; default 1 */
  readonly padMultiple?: number
  /** first batch to yield; default: the first of epoch 0 */
  readonly start?: BatchPosition
}

export interface CausalTrainingBatch extends CausalRows {
  /** epoch, from 0 */
  readonly epoch: number
  /** index within the epoch: increasing, but not consecutive between pools if rows are packed or texts are cut */
  readonly index: number
}

/** Yields batches endlessly. Requires a split with at least one row. */
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
  `no row has anything to learn within its first ${maxLength} tokens; raise data.maxLength`

interface Page {
  readonly epoch: number
  readonly pool: number
  /** number of the first requested batch */
  readonly from: number
  /** whether the epoch has yielded a batch, or may have before the start */
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

// Epoch 0 is counted over at least this many data rows: all of a small file, a sample of a large one, accurate to about 2 %.
const rowsCounted = 2_048

/** Returns the batches per epoch: exact if batch rows are data rows, otherwise estimated from the first pools of epoch 0. */
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
  /** seed of the row order of all epochs */
  readonly seed: number
  /** batches per pool; approximate if rows are packed */
  readonly bucketPool: number
}

export interface Pools {
  /** data rows per pool; the last one of an epoch has the remainder */
  readonly rows: number
  /** pools per epoch */
  readonly count: number
  /** difference of the batch numbers of consecutive pools */
  readonly stride: number
  readonly examples: (epoch: number, pool: number) => Effect.Effect<ReadonlyArray<CausalExample>, DataError>
}

// The share of a batch row that a data row takes has a standard deviation of about its mean: 6 % of error.
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

/** Checks whether data rows and batch rows differ. */
const isCounted = ({ tooLong, several }: CausalSplit, { packing }: Batching): boolean =>
  packing || several || tooLong === "continue"

/** Returns the mean number of batch rows per data row over a sample. */
const rowsNeeded = (split: CausalSplit, { maxLength, packing }: Batching): Effect.Effect<number, DataError> =>
  Effect.gen(function* () {
    const sequences = yield* sequencesOf(split, yield* sampledRows(split, largestSample))
    const shares = sequences.map((example) => {
      const pieces = example.flatMap((sequence) => cut(sequence, maxLength, split.tooLong))
      return packing ? pieces.reduce((total, { ids }) => total + ids.length, 0) / maxLength : pieces.length
    })
    return Math.max(1 / maxLength, shares.reduce((total, share) => total + share, 0) / shares.length)
  })

export interface CausalEvaluationBatchOptions extends Batching {
  /** number of rows from the start; default: all */
  readonly rows?: number
  /** batch lengths are rounded up to a multiple of this; default 1 */
  readonly padMultiple?: number
}

export interface CausalEvaluationBatch extends CausalRows {
  /** split row indices in each row of the batch, in the order of its segments; shape `[size]` */
  readonly rows: ReadonlyArray<ReadonlyArray<number>>
}

// Data rows read together, in batches: longer stretches hardly reduce padding further.
const batchesPerStretch = 32

/** Yields every example once, identically on every run; memory does not grow with the file. Skips rows without learned tokens. */
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
