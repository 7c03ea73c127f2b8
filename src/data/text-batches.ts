/** Batches of labelled texts, for training and evaluation: pads examples of different lengths to a rectangle. */
import type * as Stream from "effect/Stream"
import type { TokenRows, TokenTexts } from "../tensors/index.ts"
import { type Batching, type Numbered, type PoolOptions, pooledBatches, stretchedBatches } from "./batching.ts"
import type { DataError } from "./data-error.ts"
import type { ClassificationSplit, Example, TokenizedText } from "./source.ts"
import { readExamples, type TextTokenizer } from "./tokenize.ts"

/** Padding options of a batch. */
export interface Padding {
  /** id of padding tokens; any id works, since they are masked */
  readonly padId: number
  /** lengths are rounded up to a multiple of this; 1: not rounded */
  readonly padMultiple: number
  /** maximum length, at most the number of the model's positions */
  readonly maxLength: number
}

/** Returns the padded length of a batch, from its longest row. */
export const paddedLength = (longest: number, { padMultiple, maxLength }: Omit<Padding, "padId">): number =>
  Math.max(longest, Math.min(maxLength, Math.ceil(longest / padMultiple) * padMultiple))

/**
 * Pads at least one text to shape [size, length]. The length is that of the longest text, rounded up to a multiple for devices that
 * compile a program for each shape. Padding is masked, so neither changes results beyond rounding.
 */
export const padTexts = (texts: ReadonlyArray<TokenizedText>, padding: Padding): TokenTexts => {
  const size = texts.length
  const longest = texts.reduce((most, { ids }) => Math.max(most, ids.length), 1)
  const length = paddedLength(longest, padding)
  const inputIds = new Int32Array(size * length).fill(padding.padId)
  const tokenTypeIds = new Int32Array(size * length)
  const attentionMask = new Float32Array(size * length)
  texts.forEach(({ ids, typeIds }, row) => {
    inputIds.set(ids, row * length)
    tokenTypeIds.set(typeIds, row * length)
    attentionMask.fill(1, row * length, row * length + ids.length)
  })
  const tokens = texts.reduce((total, { ids }) => total + ids.length, 0)
  return { size, length, inputIds, tokenTypeIds, attentionMask, tokens }
}

/** Pads a batch as `padTexts` does, with the class of each example. */
export const padBatch = (examples: ReadonlyArray<Example>, padding: Padding): TokenRows => ({
  ...padTexts(examples, padding),
  labels: Int32Array.from(examples, ({ label }) => label)
})

/** Number of tokens above which a larger batch is not faster. */
const FULL = 256

/**
 * Divides items into batches of at most `size`, from the shortest to the longest, stably. A batch with `FULL` tokens ends where
 * the next item would lengthen it, which leaves almost no padding.
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
    const padded = paddedLength(lengthOf(item), padding)
    if (batch === undefined || batch.length === size || (padded > length && batch.length * length >= FULL)) {
      batches.push([item])
    } else batch.push(item)
    length = padded
  }
  return batches
}

/** Options for training batches. */
export interface TrainingBatchOptions extends PoolOptions {
  /** maximum tokens per text */
  readonly maxLength: number
  /** batch lengths are rounded up to a multiple of this; default 1 */
  readonly padMultiple?: number
}

export interface TrainingBatch extends TokenRows, Numbered {}

/** Yields batches endlessly. Requires a split with at least one row. */
export const trainingBatches = (
  split: ClassificationSplit,
  tokenizer: TextTokenizer,
  { maxLength, padMultiple = 1, ...options }: TrainingBatchOptions
): Stream.Stream<TrainingBatch, DataError> => {
  const padding = { padId: tokenizer.padId, padMultiple, maxLength }
  const batching: Batching<Example, TokenRows> = {
    rows: split.rows,
    read: (indices) => readExamples(split, indices, tokenizer, maxLength),
    lengthOf: ({ ids }) => ids.length,
    pad: (examples) => padBatch(examples, padding)
  }
  return pooledBatches(batching, options)
}

/** Options for evaluation batches, which contain each row once, in order. */
export interface EvaluationBatchOptions {
  /** maximum rows per batch */
  readonly batchSize: number
  /** maximum tokens per text */
  readonly maxLength: number
  /** number of rows from the start; default: all */
  readonly rows?: number
  /** batch lengths are rounded up to a multiple of this; default 1 */
  readonly padMultiple?: number
}

export interface EvaluationBatch extends TokenRows {
  /** row indices in the split, by which predictions are assigned; shape `[size]` */
  readonly rows: Uint32Array
}

/** Divides examples into batches of similar length. `rows`: their row indices. */
export const batchesOfRows = (
  examples: ReadonlyArray<Example>,
  rows: ArrayLike<number>,
  {
    batchSize,
    ...padding
  }: Padding & {
    /** maximum rows per batch */
    readonly batchSize: number
  }
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

/** Yields every row once; see `stretchedBatches`. */
export const evaluationBatches = (
  split: ClassificationSplit,
  tokenizer: TextTokenizer,
  { batchSize, maxLength, rows, padMultiple = 1 }: EvaluationBatchOptions
): Stream.Stream<EvaluationBatch, DataError> =>
  stretchedBatches(
    { rows: split.rows, read: (indices) => readExamples(split, indices, tokenizer, maxLength) },
    { batchSize, rows },
    (examples, indices) =>
      batchesOfRows(examples, indices, { batchSize, maxLength, padMultiple, padId: tokenizer.padId })
  )
