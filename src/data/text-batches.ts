/**
 * Batches of labelled texts, for training and for evaluation: examples of different lengths become one rectangle.
 *
 * Training batches come epoch after epoch without end. Which rows the batch (epoch, index) holds depends on the data, the seed and
 * the sizes alone, so a run that starts at (epoch, index) continues exactly as one that came there. An epoch uses every row once:
 * `bucketPool` batches of shuffled rows make a pool, the rest a last and smaller one. (The reference study drops the rest.)
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomStream } from "../numbers/index.ts"
import type { TokenRows } from "../tensors/index.ts"
import type { DataError } from "./data-error.ts"
import { type BatchPosition, batchesPerEpoch, bucketBatches, epochOrders, inStretches } from "./order.ts"
import type { ClassificationSplit, Example } from "./source.ts"
import { readExamples, type TextTokenizer } from "./tokenize.ts"

export interface Padding {
  /** the id of padding; any of the vocabulary would do, since the mask hides it */
  readonly padId: number
  /** lengths are rounded up to a multiple of this (1: not at all) */
  readonly padMultiple: number
  /** …but never beyond this, which may be all the positions that the model has */
  readonly maxLength: number
}

/** The length of a batch whose longest row is this. */
export const paddedLength = (longest: number, { padMultiple, maxLength }: Omit<Padding, "padId">): number =>
  Math.max(longest, Math.min(maxLength, Math.ceil(longest / padMultiple) * padMultiple))

/**
 * examples: [size], at least one → [size, length]. The length is that of the longest example, rounded up to a multiple where a device
 * compiles a program for each shape. Padding is masked, so that neither changes a result beyond rounding.
 */
export const padBatch = (examples: ReadonlyArray<Example>, padding: Padding): TokenRows => {
  const size = examples.length
  const longest = examples.reduce((most, example) => Math.max(most, example.ids.length), 1)
  const length = paddedLength(longest, padding)
  const inputIds = new Int32Array(size * length).fill(padding.padId)
  const tokenTypeIds = new Int32Array(size * length)
  const attentionMask = new Float32Array(size * length)
  examples.forEach(({ ids, typeIds }, row) => {
    inputIds.set(ids, row * length)
    tokenTypeIds.set(typeIds, row * length)
    attentionMask.fill(1, row * length, row * length + ids.length)
  })
  const labels = Int32Array.from(examples, (example) => example.label)
  const tokens = examples.reduce((total, example) => total + example.ids.length, 0)
  return { size, length, inputIds, tokenTypeIds, attentionMask, labels, tokens }
}

/** Tokens from which on a larger batch is no faster. */
const FULL = 256

/**
 * Items from the shortest to the longest, equal ones in their order, in batches of at most `size`. A batch that has `FULL` tokens ends where
 * the next item would lengthen it, so that next to nothing is padding.
 */
export const lengthBatches = <A>(
  items: ReadonlyArray<A>,
  lengthOf: (item: A) => number,
  size: number,
  padding: Omit<Padding, "padId">
): ReadonlyArray<ReadonlyArray<A>> => {
  const batches: Array<Array<A>> = []
  let length = 0
  for (const item of items.toSorted((a, b) => lengthOf(a) - lengthOf(b))) {
    const batch = batches.at(-1)
    const own = paddedLength(lengthOf(item), padding)
    if (batch === undefined || batch.length === size || (own > length && batch.length * length >= FULL)) {
      batches.push([item])
    } else batch.push(item)
    length = own
  }
  return batches
}

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

export interface TrainingBatch extends TokenRows {
  readonly epoch: number
  /** within the epoch */
  readonly index: number
}

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

/** Tokenises, sorts and pads one pool of an epoch. */
const poolReader = (split: ClassificationSplit, tokenizer: TextTokenizer, options: TrainingBatchOptions) => {
  const { seed, batchSize, bucketPool, maxLength, padMultiple = 1 } = options
  const padding = { padId: tokenizer.padId, padMultiple, maxLength }
  const orderOf = epochOrders(split.rows, seed)
  const poolRows = batchSize * bucketPool
  return (epoch: number, pool: number): Effect.Effect<ReadonlyArray<TrainingBatch>, DataError> =>
    Effect.gen(function* () {
      const rows = orderOf(epoch).subarray(pool * poolRows, (pool + 1) * poolRows)
      const examples = yield* readExamples(split, rows, tokenizer, maxLength)
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

export interface EvaluationBatchOptions {
  readonly batchSize: number
  /** tokens of a text at most */
  readonly maxLength: number
  /** rows from the start; all unless given */
  readonly rows?: number
  /** batch lengths are rounded up to a multiple of this; 1 unless given */
  readonly padMultiple?: number
}

export interface EvaluationBatch extends TokenRows {
  /** [size]: the split's row numbers, which tell where each prediction belongs */
  readonly rows: Uint32Array
}

// Batches of full size sorted together: 2,048 rows at the default size. Longer stretches save hardly any more padding.
const batchesPerStretch = 32

/** The rows of some examples in batches, those of like length together. `rows`: their numbers. */
export const batchesOfRows = (
  examples: ReadonlyArray<Example>,
  rows: ArrayLike<number>,
  { batchSize, ...padding }: Padding & { readonly batchSize: number }
): ReadonlyArray<EvaluationBatch> => {
  const numbered = examples.map((example, i) => ({ example, row: rows[i]! }))
  return lengthBatches(numbered, ({ example }) => example.ids.length, batchSize, padding).map((batch) => {
    const padded = padBatch(
      batch.map(({ example }) => example),
      padding
    )
    return { ...padded, rows: Uint32Array.from(batch, ({ row }) => row) }
  })
}

/**
 * Every row once, sorted by length within stretches of the file, so that little is padding and memory does not grow with the file.
 * A finite stream, the same whenever it is run.
 */
export const evaluationBatches = (
  split: ClassificationSplit,
  tokenizer: TextTokenizer,
  { batchSize, maxLength, rows = split.rows, padMultiple = 1 }: EvaluationBatchOptions
): Stream.Stream<EvaluationBatch, DataError> =>
  inStretches(Math.min(split.rows, rows), batchSize * batchesPerStretch, (indices) =>
    Effect.map(readExamples(split, indices, tokenizer, maxLength), (examples) =>
      batchesOfRows(examples, indices, { batchSize, maxLength, padMultiple, padId: tokenizer.padId })
    )
  )
