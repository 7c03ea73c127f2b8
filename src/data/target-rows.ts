/** Texts with numbers that are learned, as many a row as a model has outputs, and how they become batches. */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { quoted } from "../boundary/index.ts"
import type { TokenTexts } from "../tensors/index.ts"
import { type Numbered, pooledBatches, stretchedBatches } from "./batching.ts"
import { DataError, dataError } from "./data-error.ts"
import { inParts, type Located, type RowSource, type TextFields, type TokenizedText } from "./source.ts"
import {
  type EvaluationBatchOptions,
  lengthBatches,
  type Padding,
  padTexts,
  type TrainingBatchOptions
} from "./text-batches.ts"
import { encoded, type TextTokenizer } from "./tokenize.ts"

/** A text and its numbers. */
export interface TargetText extends TextFields, Located {
  /** what the model is to say, in the order of the plan's columns */
  readonly targets: ReadonlyArray<number>
}

/** Texts that are asked about, which have no numbers: zeros, `width` of them each. */
export const askedTargets = (texts: ReadonlyArray<TextFields>, width: number): RowSource<TargetText> => {
  const targets = new Array<number>(width).fill(0)
  const rows = texts.map((text): TargetText => ({ ...text, targets, where: `the text ${quoted(text.text)}` }))
  return {
    rows: rows.length,
    where: "texts",
    read: (indices) => Effect.succeed(Array.from(indices, (index) => rows[index]!))
  }
}

interface TargetExample extends TokenizedText {
  readonly targets: ReadonlyArray<number>
}

/** A batch on the host. */
export interface TargetRows extends TokenTexts {
  /** [size, outputs], row-major */
  readonly targets: Float32Array
}

export interface TargetBatch extends TargetRows {
  /** `[size]`: the split's row numbers */
  readonly rows: Uint32Array
}

/** Texts with numbers as one batch: tokens [size, length], targets [size, targets]. */
export const padTargets = (examples: ReadonlyArray<TargetExample>, padding: Padding): TargetRows => ({
  ...padTexts(examples, padding),
  targets: Float32Array.from(examples.flatMap(({ targets }) => targets))
})

/** Rows as tokens. Fails on a text without tokens. */
export const targetExamples = (
  rows: ReadonlyArray<TargetText>,
  tokenizer: Pick<TextTokenizer, "encode">,
  maxLength: number
): Effect.Effect<ReadonlyArray<TargetExample>, DataError> =>
  Effect.forEach(rows, (row) => {
    const encoding = encoded(row, tokenizer, maxLength)
    if (encoding instanceof DataError) return Effect.fail(encoding)
    if (encoding.ids.length === 0) return Effect.fail(dataError(row.where, "the text has no tokens"))
    return Effect.succeed({ ...encoding, targets: row.targets })
  })

const readTargets =
  (source: RowSource<TargetText>, tokenizer: TextTokenizer, maxLength: number) => (indices: ArrayLike<number>) =>
    inParts(indices, (part) => Effect.flatMap(source.read(part), (rows) => targetExamples(rows, tokenizer, maxLength)))

/** Endless batches of a split that has at least one row. */
export const targetTrainingBatches = (
  source: RowSource<TargetText>,
  tokenizer: TextTokenizer,
  { maxLength, padMultiple = 1, ...options }: TrainingBatchOptions
): Stream.Stream<TargetRows & Numbered, DataError> =>
  pooledBatches(
    {
      rows: source.rows,
      read: readTargets(source, tokenizer, maxLength),
      lengthOf: ({ ids }) => ids.length,
      pad: (examples) => padTargets(examples, { padId: tokenizer.padId, padMultiple, maxLength })
    },
    options
  )

/** Every row once; see `stretchedBatches`. */
export const targetBatches = (
  source: RowSource<TargetText>,
  tokenizer: TextTokenizer,
  { batchSize, maxLength, rows, padMultiple = 1 }: EvaluationBatchOptions
): Stream.Stream<TargetBatch, DataError> => {
  const padding = { padId: tokenizer.padId, padMultiple, maxLength }
  return stretchedBatches(
    { rows: source.rows, read: readTargets(source, tokenizer, maxLength) },
    { batchSize, rows },
    (examples, indices) => {
      const numbered = examples.map((example, i) => ({ ...example, row: indices[i]! }))
      return lengthBatches(numbered, ({ ids }) => ids.length, batchSize, padding).map((batch) => ({
        ...padTargets(batch, padding),
        rows: Uint32Array.from(batch, ({ row }) => row)
      }))
    }
  )
}
