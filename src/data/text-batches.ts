/** Batches of labelled texts, for training and for evaluation: examples of different lengths become one rectangle. */
import type * as Stream from "effect/Stream"
import type { TokenRows, TokenTexts } from "../tensors/index.ts"
import { type Batching, type Numbered, type PoolOptions, pooledBatches, stretchedBatches } from "./batching.ts"
import type { DataError } from "./data-error.ts"
import type { ClassificationSplit, Example, TokenizedText } from "./source.ts"
import { readExamples, type TextTokenizer } from "./tokenize.ts"

/** How texts of one batch are made equally long. */
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
 * texts: [size], at least one → [size, length]. The length is that of the longest text, rounded up to a multiple where a device
 * compiles a program for each shape. Padding is masked, so that neither changes a result beyond rounding.
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

/** The same with the class of each. */
export const padBatch = (examples: ReadonlyArray<Example>, padding: Padding): TokenRows => ({
  ...padTexts(examples, padding),
  labels: Int32Array.from(examples, ({ label }) => label)
})

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

/** How rows become batches for training. */
export interface TrainingBatchOptions extends PoolOptions {
  /** tokens of a text at most */
  readonly maxLength: number
  /** batch lengths are rounded up to a multiple of this; 1 unless given */
  readonly padMultiple?: number
}

export interface TrainingBatch extends TokenRows, Numbered {}

/** Endless batches of a split that has at least one row. */
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

/** How rows become batches for an evaluation: in their order, each once. */
export interface EvaluationBatchOptions {
  /** rows of a batch, at most */
  readonly batchSize: number
  /** tokens of a text at most */
  readonly maxLength: number
  /** rows from the start; all unless given */
  readonly rows?: number
  /** batch lengths are rounded up to a multiple of this; 1 unless given */
  readonly padMultiple?: number
}

export interface EvaluationBatch extends TokenRows {
  /** `[size]`: the split's row numbers, which tell where each prediction belongs */
  readonly rows: Uint32Array
}

/** The rows of some examples in batches, those of like length together. `rows`: their numbers. */
export const batchesOfRows = (
  examples: ReadonlyArray<Example>,
  rows: ArrayLike<number>,
  {
    batchSize,
    ...padding
  }: Padding & {
    /** rows of a batch at most */
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

/** Every row once; see `stretchedBatches`. */
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
