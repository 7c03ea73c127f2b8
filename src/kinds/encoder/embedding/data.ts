/**
 * Texts that belong together: pairs, triplets whose third text is a negative, or pairs with a score. Opens files as splits, and builds
 * batches in which all texts of the rows share one rectangle of tokens.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import {
  type Batching,
  type BySplit,
  DataError,
  describedSplits,
  encoded,
  fieldOf,
  inParts,
  kindOf,
  type Located,
  mapSplits,
  type Numbered,
  openSplitFiles,
  openTextFile,
  padTexts,
  pooledBatches,
  type RowSource,
  repeatWarnings,
  rowsOfSplits,
  type SplitSection,
  sourceOf,
  type TextColumns,
  type TextFields,
  type TextTokenizer,
  type TokenizedText,
  type TrainingBatchOptions,
  textOf
} from "../../../data/index.ts"
import type { TokenTexts } from "../../../tensors/index.ts"

export interface RelatedTexts extends Required<TextFields>, Located {
  /** negative text; absent for rows without one */
  readonly negative?: string
  /** similarity score, finite; absent for rows without scores */
  readonly score?: number
}

/** Columns of rows of related texts. */
export interface RelatedColumns extends Required<TextColumns> {
  /** column of the text that belongs to the first */
  readonly textPair: string
  /** column of the negative text; absent for rows without one */
  readonly negative?: string | undefined
  /** column of the similarity score; absent for rows without one */
  readonly score?: string | undefined
}

/** A split of related texts. */
export interface RelatedSplit extends RowSource<RelatedTexts> {
  /** number of texts per row: 2, or 3 with negatives */
  readonly texts: number
}

/** The splits of related texts and the warnings about them. */
export interface RelatedData {
  /** the training split, and the plan's other splits */
  readonly splits: BySplit<RelatedSplit>
  /** probable mistakes that are not errors, one sentence each */
  readonly warnings: ReadonlyArray<string>
  /** Returns the number of rows and texts of every split, for a table. */
  readonly describe: () => ReadonlyArray<{
    /** name of the split */
    readonly split: "train" | "validation" | "test"
    /** file, or name of the source */
    readonly where: string
    /** number of rows */
    readonly rows: number
    /** number of texts per row: 2, or 3 with negatives */
    readonly texts: number
  }>
}

/** Returns the texts of a row in order. */
export const textsOfRow = ({ text, textPair, negative }: RelatedTexts): ReadonlyArray<string> => [
  text,
  textPair,
  ...(negative === undefined ? [] : [negative])
]

const openFile = (path: string, { text, textPair, negative, score }: RelatedColumns) =>
  openTextFile<RelatedTexts>(
    path,
    { text, textPair },
    {
      columns: [
        ...(negative === undefined ? [] : [{ name: negative, role: "text field" }]),
        ...(score === undefined ? [] : [{ name: score, role: "score field" }])
      ],
      read: (row, reasons) => ({
        ...(negative === undefined ? {} : { negative: textOf(row, negative, reasons) }),
        ...(score === undefined ? {} : { score: scoreOf(fieldOf(row, score, "score", reasons), score, reasons) })
      })
    }
  )

/** Parses a score. CSV files have numbers as text. */
const scoreOf = (value: unknown, name: string, reasons: Array<string>): number => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  if (typeof number === "number" && Number.isFinite(number)) return number
  if (value !== undefined)
    reasons.push(
      `the score "${name}" is ${typeof value === "string" ? `"${value.slice(0, 40)}"` : kindOf(value)}, expected a number`
    )
  return 0
}

/** Opens the files until the scope closes. `seed` selects the validation rows of a share. Fails with all problems at once. */
export const openRelated = (
  section: SplitSection,
  columns: RelatedColumns,
  seed: number
): Effect.Effect<RelatedData, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const files = yield* openSplitFiles(section, (path) => openFile(path, columns))
    const rows = yield* rowsOfSplits(section, files, seed)
    const texts = columns.negative === undefined ? 2 : 3
    const splits = mapSplits(rows, (some): RelatedSplit => {
      const { where, read, rows: count } = sourceOf(some)
      return { where, read, rows: count, texts }
    })
    return {
      splits,
      warnings: repeatWarnings(rows),
      describe: () => describedSplits(splits, () => ({ texts }))
    }
  })

/** Returns all texts of a split as rows of one text. */
export const singleTexts = ({ rows, read, texts, where }: RelatedSplit): RowSource<TextFields & Located> => ({
  rows: rows * texts,
  where,
  read: (indices) => {
    const textIndices = Array.from(indices)
    return Effect.map(read(textIndices.map((index) => Math.floor(index / texts))), (rowsRead) =>
      rowsRead.map((row, i) => ({ text: textsOfRow(row)[textIndices[i]! % texts]!, where: row.where }))
    )
  }
})

/** A tokenized row. */
interface RelatedExample {
  readonly texts: ReadonlyArray<TokenizedText>
  readonly score: number
}

/** A batch of rows: the first texts of all rows, then the second, then the third. */
export interface RelatedBatch {
  /** number of rows */
  readonly size: number
  /** number of tokens in all texts, without padding */
  readonly tokens: number
  /** sequences [texts·size] */
  readonly texts: TokenTexts
  /** scores [size]; 0 for rows without one */
  readonly scores: Float32Array
}

/** Tokenizes the texts of a row. Fails if one of them cannot be tokenized. */
const exampleOf = (row: RelatedTexts, tokenizer: Pick<TextTokenizer, "encode">, maxLength: number) =>
  Effect.map(
    Effect.forEach(textsOfRow(row), (text) => {
      const encoding = encoded({ text, where: row.where }, tokenizer, maxLength)
      return encoding instanceof DataError ? Effect.fail(encoding) : Effect.succeed(encoding)
    }),
    (texts): RelatedExample => ({ texts, score: row.score ?? 0 })
  )

/** Returns endless batches of a split with at least one row. */
export const relatedBatches = (
  split: RelatedSplit,
  tokenizer: TextTokenizer,
  { maxLength, padMultiple = 1, ...options }: TrainingBatchOptions
): Stream.Stream<RelatedBatch & Numbered, DataError> => {
  const padding = { padId: tokenizer.padId, padMultiple, maxLength }
  const batching: Batching<RelatedExample, RelatedBatch> = {
    rows: split.rows,
    read: (indices) =>
      inParts(indices, (part) =>
        Effect.flatMap(split.read(part), (rows) => Effect.forEach(rows, (row) => exampleOf(row, tokenizer, maxLength)))
      ),
    lengthOf: ({ texts }) => Math.max(...texts.map(({ ids }) => ids.length)),
    pad: (examples) => {
      const texts = padTexts(
        Array.from({ length: split.texts }, (_, i) => examples.map((example) => example.texts[i]!)).flat(),
        padding
      )
      const scores = Float32Array.from(examples, ({ score }) => score)
      return { size: examples.length, tokens: texts.tokens, texts, scores }
    }
  }
  return pooledBatches(batching, options)
}
