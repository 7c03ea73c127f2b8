/**
 * The batches of training, epoch after epoch without end: as `trainingBatches`, for token sequences. A run that starts at
 * (epoch, batch) goes on exactly as one that came there; see `pools.ts` for why.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomStream } from "../../numbers/index.ts"
import type { CausalRows, CausalTokenizer } from "../../tensors/index.ts"
import { type DataError, dataError } from "../data-error.ts"
import type { BatchPosition } from "../training-batches.ts"
import { shuffledBatches } from "./batching.ts"
import { padRows } from "./padding.ts"
import { openPools, type PoolOptions, type Pools } from "./pools.ts"
import type { CausalSplit } from "./split.ts"

export interface CausalTrainingBatchOptions extends PoolOptions {
  /** batch lengths are rounded up to a multiple of this; 1 unless given */
  readonly padMultiple?: number
  /** the first batch to yield; the first of epoch 0 unless given */
  readonly start?: BatchPosition
}

export interface CausalTrainingBatch extends CausalRows {
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

// Epoch 0 is counted over so many rows of data at least: all of a small file, a sample of a large one to about 2 %.
const rowsCounted = 2_048

/** Batches of an epoch: exact where a row of a batch is a row of data, else what the first pools of epoch 0 have. */
export const causalBatchesPerEpoch = (split: CausalSplit, options: PoolOptions): Effect.Effect<number, DataError> =>
  Effect.gen(function* () {
    if (!options.packing && split.tooLong === "drop the end") return Math.ceil(split.rows / options.batchSize)
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
