/** Tokenizes labelled texts: token ids and a class. */
import * as Effect from "effect/Effect"
import { messageOf, quoted } from "../boundary/index.ts"
import { DataError, dataError, labelHint, quotedLabel, quotedLabels } from "./data-error.ts"
import {
  type ClassificationSplit,
  type Example,
  inParts,
  type LabelledText,
  type Located,
  type RowSource,
  type TextFields,
  type TokenizedText
} from "./source.ts"

/** Members of a tokenizer that are used: those of a model's tokenizer, or of any object that has them. */
export interface TextTokenizer {
  /** Returns at most `maxLength` ids, including special tokens. `pair`: the second text, for rows with two. */
  readonly encode: (text: string, maxLength: number, pair?: string) => TokenizedText
  /** id of padding tokens for shorter texts of a batch */
  readonly padId: number
}

/** Tokenizes rows. Fails for a label that is not a class, and for a text without tokens. */
export const tokenizeRows = (
  rows: ReadonlyArray<LabelledText>,
  tokenizer: Pick<TextTokenizer, "encode">,
  labels: ReadonlyArray<string>,
  maxLength: number
): Effect.Effect<ReadonlyArray<Example>, DataError> => {
  const classOf = new Map(labels.map((label, i) => [label, i]))
  const examples: Array<Example> = []
  for (const row of rows) {
    const label = classOf.get(row.label)
    if (label === undefined) return Effect.fail(unknownLabel(row, labels))
    const encoding = encoded(row, tokenizer, maxLength)
    if (encoding instanceof DataError) return Effect.fail(encoding)
    const { ids, typeIds } = encoding
    if (ids.length === 0) return Effect.fail(dataError(row.where, "the text has no tokens"))
    examples.push({ ids, typeIds, label })
  }
  return Effect.succeed(examples)
}

/** Reads rows of a split as examples. */
export const readExamples = (
  { read, labels }: ClassificationSplit,
  indices: ArrayLike<number>,
  tokenizer: Pick<TextTokenizer, "encode">,
  maxLength: number
): Effect.Effect<ReadonlyArray<Example>, DataError> =>
  inParts(indices, (part) => Effect.flatMap(read(part), (rows) => tokenizeRows(rows, tokenizer, labels, maxLength)))

/** Tokenizes texts without classes. */
export const tokenizeTexts = (
  texts: ReadonlyArray<TextFields>,
  tokenizer: Pick<TextTokenizer, "encode">,
  maxLength: number
): Effect.Effect<ReadonlyArray<TokenizedText>, DataError> =>
  Effect.forEach(texts, (fields) => {
    const encoding = encoded({ ...fields, where: `the text ${quoted(fields.text)}` }, tokenizer, maxLength)
    return encoding instanceof DataError ? Effect.fail(encoding) : Effect.succeed(encoding)
  })

/** Calls a tokenizer, which may throw: it is third-party code, on a text that it did not choose. */
export const encoded = (
  { text, textPair, where }: TextFields & Located,
  tokenizer: Pick<TextTokenizer, "encode">,
  maxLength: number
) => {
  try {
    return textPair === undefined ? tokenizer.encode(text, maxLength) : tokenizer.encode(text, maxLength, textPair)
  } catch (cause) {
    return dataError(where, `cannot be tokenized: ${messageOf(cause)}`)
  }
}

const unknownLabel = ({ label, where }: LabelledText, labels: ReadonlyArray<string>): DataError => {
  const reason = `the label ${quotedLabel(label)} is not among the classes ${quotedLabels(labels)}`
  return dataError(where, `${reason}${labelHint(label, labels)}`)
}

/** Lengths of texts in tokens, from a sample. */
export interface LengthPercentiles {
  /** number of rows measured */
  readonly sample: number
  /** median number of tokens, including special tokens */
  readonly p50: number
  /** 95th percentile */
  readonly p95: number
  /** maximum of the sample */
  readonly max: number
  /** mean number of tokens after truncation to `maxLength` */
  readonly mean: number
  /** share of the texts longer than `maxLength`, 0 … 1 */
  readonly truncated: number
}

// The share above a percentile p has a standard error of √(p(1−p)/2000) ≤ 1.1 percentage points.
const largestSample = 2_000
// More tokens than any text has: no truncation.
const uncut = 2 ** 31 - 1

/** Measures the lengths of texts in tokens, and the truncated share: percentiles (nearest rank) over at most `sample` rows, evenly spaced over the source. */
export const lengthPercentiles = (
  source: RowSource<TextFields & Located>,
  encode: TextTokenizer["encode"],
  maxLength: number,
  sample: number = largestSample
): Effect.Effect<LengthPercentiles, DataError> =>
  Effect.gen(function* () {
    const lengthsOf = (rows: ReadonlyArray<TextFields & Located>) =>
      Effect.forEach(rows, (row) => {
        const encoding = encoded(row, { encode }, uncut)
        return encoding instanceof DataError ? Effect.fail(encoding) : Effect.succeed(encoding.ids.length)
      })
    const count = Math.min(source.rows, sample)
    const indices = Uint32Array.from({ length: count }, (_, i) => Math.floor((i * source.rows) / count))
    const measured = yield* inParts(indices, (part) => Effect.flatMap(source.read(part), lengthsOf))
    const lengths = Uint32Array.from(measured).sort()
    const percentile = percentilesOf(lengths)
    const truncated = lengths.filter((length) => length > maxLength).length / Math.max(1, count)
    const mean = measured.reduce((sum, length) => sum + Math.min(length, maxLength), 0) / Math.max(1, count)
    return { sample: count, mean, p50: percentile(0.5), p95: percentile(0.95), max: percentile(1), truncated }
  })

/** Returns percentiles (nearest rank) of lengths in ascending order. */
export const percentilesOf =
  (lengths: ArrayLike<number>) =>
  (share: number): number =>
    lengths[Math.max(0, Math.ceil(share * lengths.length) - 1)] ?? 0
