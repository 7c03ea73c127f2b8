/**
 * Pools: stretches of an epoch's order that are tokenised, sorted or packed together. Where an epoch's batches are and what
 * they hold is a function of (data, tokenizer, seed, epoch, sizes) alone, though packing makes of a pool what it makes:
 *
 *   rows of a pool   batchSize · bucketPool / (rows of a batch that a row of data needs), measured on a sample of the data
 *   batch number     pool · stride + place in the pool      stride: bucketPool where a row of data is a row of a batch at most
 *                                                           and nothing is packed, else 2²⁰, more than any pool has
 *
 * So batch numbers of packed data leap from pool to pool, and a run that goes on at a number finds its pool by a division.
 */
import * as Effect from "effect/Effect"
import type { DataError } from "../data-error.ts"
import { epochOrder } from "../order.ts"
import type { Batching } from "./batching.ts"
import type { CausalExample } from "./row.ts"
import { sampledRows } from "./sampled-rows.ts"
import { type CausalSplit, cut, examplesOf, sequencesOf } from "./split.ts"

export interface PoolOptions extends Batching {
  readonly seed: number
  /** batches a pool, about so many where rows are packed */
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

/** Keeps the order of the epoch that was asked for last: 4 bytes a row of data. */
export const openPools = (split: CausalSplit, options: PoolOptions): Effect.Effect<Pools, DataError> =>
  Effect.gen(function* () {
    const { seed, batchSize, bucketPool, maxLength } = options
    const counted = options.packing || split.tooLong === "go on"
    const share = counted ? yield* rowsNeeded(split, options) : 1
    const rows = Math.max(1, Math.round((batchSize * bucketPool) / share))
    let current: { readonly epoch: number; readonly order: Uint32Array } = { epoch: -1, order: new Uint32Array(0) }
    return {
      rows,
      count: Math.ceil(split.rows / rows),
      stride: counted ? 2 ** 20 : bucketPool,
      examples: (epoch, pool) =>
        Effect.suspend(() => {
          if (current.epoch !== epoch) current = { epoch, order: epochOrder(split.rows, seed, epoch) }
          return examplesOf(split, current.order.subarray(pool * rows, (pool + 1) * rows), maxLength)
        })
    }
  })

/** How many rows of a batch a row of data needs, on average over a sample. */
const rowsNeeded = (split: CausalSplit, { maxLength, packing }: Batching): Effect.Effect<number, DataError> =>
  Effect.gen(function* () {
    const sequences = yield* sequencesOf(split, yield* sampledRows(split, largestSample))
    const needed = sequences.map((sequence) => {
      const pieces = cut(sequence, maxLength, split.tooLong)
      return packing ? pieces.reduce((total, { ids }) => total + ids.length, 0) / maxLength : pieces.length
    })
    return Math.max(1 / maxLength, needed.reduce((total, one) => total + one, 0) / needed.length)
  })
