/**
 * Tokenizes texts and targets, and forms batches. Both end with the model's end token, even if they are truncated; the
 * decoder reads the target shifted right by one position, after the model's start token.
 */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { messageOf } from "../../boundary/index.ts"
import type { CausalTokenizer, Seq2SeqRows } from "../../tensors/index.ts"
import { type Batching, type Numbered, type PoolOptions, pooledBatches, stretchedBatches } from "../batching.ts"
import { ignored } from "../causal/row.ts"
import { type DataError, dataError } from "../data-error.ts"
import { inParts } from "../source.ts"
import { lengthBatches, paddedLength } from "../text-batches.ts"
import type { TextTokenizer } from "../tokenize.ts"
import type { Seq2SeqSplit, SourceTarget } from "./open.ts"

/** Tokenization options of the model and the plan. */
export interface Seq2SeqEncoding {
  readonly tokenizer: Pick<CausalTokenizer, "encode">
  /** ids of the token before every target, of the one that ends a text, and of padding */
  readonly startId: number
  readonly eosId: number
  readonly padId: number
  /** prefix of every source text */
  readonly prefix?: string | undefined
  /** maximum tokens of a source text and of a target, including the end token */
  readonly maxLength: number
  readonly maxTargetLength: number
}

/** Returns the ids of a text and the end token, at most `maxLength`. Throws if the tokenizer does. */
const ended = ({ tokenizer, eosId }: Seq2SeqEncoding, text: string, maxLength: number): ReadonlyArray<number> => [
  ...tokenizer.encode(text).slice(0, maxLength - 1),
  eosId
]

/** Returns tokenizers of the source texts and of the targets. */
export const sidesOf = (encoding: Seq2SeqEncoding) => {
  const { padId, prefix = "" } = encoding
  const side = (before: string): TextTokenizer => ({
    encode: (text, maxLength) => ({ ids: ended(encoding, before + text, maxLength), typeIds: [] }),
    padId
  })
  return { source: side(prefix), target: side("") }
}

/** A tokenized row. */
export interface Seq2SeqExample {
  readonly source: ReadonlyArray<number>
  readonly target: ReadonlyArray<number>
}

interface NumberedExample extends Seq2SeqExample {
  readonly row: number
  readonly text: string
}

export interface Seq2SeqPadding extends Pick<Seq2SeqEncoding, "startId" | "padId" | "maxLength" | "maxTargetLength"> {
  /** lengths of both sides are rounded up to a multiple of this */
  readonly padMultiple: number
}

/** Pads at least one example to Seq2SeqRows of shape [size, sourceLength] and [size, targetLength]. */
export const padSeq2Seq = (
  examples: ReadonlyArray<Seq2SeqExample>,
  { startId, padId, maxLength, maxTargetLength, padMultiple }: Seq2SeqPadding
): Seq2SeqRows => {
  const size = examples.length
  const longest = (side: keyof Seq2SeqExample) =>
    examples.reduce((most, example) => Math.max(most, example[side].length), 1)
  const sourceLength = paddedLength(longest("source"), { padMultiple, maxLength })
  const targetLength = paddedLength(longest("target"), { padMultiple, maxLength: maxTargetLength })
  const inputIds = new Int32Array(size * sourceLength).fill(padId)
  const attentionMask = new Float32Array(size * sourceLength)
  const decoderInputIds = new Int32Array(size * targetLength).fill(padId)
  const labels = new Int32Array(size * targetLength).fill(ignored)
  let [read, counted] = [0, 0]
  for (const [row, { source, target }] of examples.entries()) {
    inputIds.set(source, row * sourceLength)
    attentionMask.fill(1, row * sourceLength, row * sourceLength + source.length)
    // the end token too, if there is space: it is followed by no label
    decoderInputIds.set([startId, ...target].slice(0, targetLength), row * targetLength)
    labels.set(target, row * targetLength)
    read += source.length
    counted += target.length
  }
  const tokens = read + counted
  return { size, sourceLength, inputIds, attentionMask, targetLength, decoderInputIds, labels, tokens, counted }
}

/** Tokenizes rows. Fails for a text that the tokenizer rejects. */
export const seq2seqExamples = (
  rows: ReadonlyArray<Omit<SourceTarget, "textPair">>,
  encoding: Seq2SeqEncoding
): Effect.Effect<ReadonlyArray<Seq2SeqExample>, DataError> => {
  const { prefix = "", maxLength, maxTargetLength } = encoding
  return Effect.forEach(rows, ({ text, target, where }) =>
    Effect.try({
      try: () => ({
        source: ended(encoding, prefix + text, maxLength),
        target: ended(encoding, target, maxTargetLength)
      }),
      catch: (cause) => dataError(where, `cannot be tokenized: ${messageOf(cause)}`)
    })
  )
}

const readNumbered =
  ({ read }: Pick<Seq2SeqSplit, "read">, encoding: Seq2SeqEncoding) =>
  (indices: ArrayLike<number>): Effect.Effect<ReadonlyArray<NumberedExample>, DataError> =>
    inParts(indices, (part) =>
      Effect.gen(function* () {
        const rows = yield* read(part)
        const examples = yield* seq2seqExamples(rows, encoding)
        return examples.map((example, i) => ({ ...example, row: part[i]!, text: rows[i]!.target }))
      })
    )

const lengthOf = ({ source, target }: Seq2SeqExample): number => source.length + target.length

/** Yields batches endlessly. Requires a split with at least one row. */
export const seq2seqTrainingBatches = (
  split: Seq2SeqSplit,
  encoding: Seq2SeqEncoding,
  { padMultiple, ...options }: PoolOptions & { readonly padMultiple: number }
): Stream.Stream<Seq2SeqRows & Numbered, DataError> => {
  const batching: Batching<Seq2SeqExample, Seq2SeqRows> = {
    rows: split.rows,
    read: readNumbered(split, encoding),
    lengthOf,
    pad: (examples) => padSeq2Seq(examples, { ...encoding, padMultiple })
  }
  return pooledBatches(batching, options)
}

export interface Seq2SeqEvaluationBatch extends Seq2SeqRows {
  /** row indices in the split, shape `[size]` */
  readonly rows: Uint32Array
  /** untruncated target texts, shape `[size]` */
  readonly targets: ReadonlyArray<string>
}

/** Yields every row once, grouped by similar length; see `stretchedBatches`. */
export const seq2seqEvaluationBatches = (
  split: Seq2SeqSplit,
  encoding: Seq2SeqEncoding,
  {
    batchSize,
    rows,
    padMultiple
  }: { readonly batchSize: number; readonly rows?: number | undefined; readonly padMultiple: number }
): Stream.Stream<Seq2SeqEvaluationBatch, DataError> => {
  const lengths = { padMultiple, maxLength: encoding.maxLength + encoding.maxTargetLength }
  return stretchedBatches({ rows: split.rows, read: readNumbered(split, encoding) }, { batchSize, rows }, (examples) =>
    lengthBatches(examples, lengthOf, batchSize, lengths).map((batch) => ({
      ...padSeq2Seq(batch, { ...encoding, padMultiple }),
      rows: Uint32Array.from(batch, ({ row }) => row),
      targets: batch.map(({ text }) => text)
    }))
  )
}
