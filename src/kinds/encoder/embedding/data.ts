/**
 * Texts that belong together: a row is a pair, a triplet whose third text does not belong to the first, or a pair with a score. Files of
 * them as splits, and batches in which all texts of the rows are one rectangle of tokens.
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
  /** a text that does not belong to the first; absent: rows have none */
  readonly negative?: string
  /** similarity score, finite; absent for rows without scores */
  readonly score?: number
}

/** Which columns hold what. */
export interface RelatedColumns extends Required<TextColumns> {
  /** of the text that belongs to the first */
  readonly textPair: string
  /** of the text that does not; absent: rows have none */
  readonly negative?: string | undefined
  /** of a number for how alike the two are; absent: rows have none */
  readonly score?: string | undefined
}

/** A part of the data. */
export interface RelatedSplit extends RowSource<RelatedTexts> {
  /** of a row: 2, or 3 with negatives */
  readonly texts: number
}

/** The splits of texts that belong together, and what is reported of them before training. */
export interface RelatedData {
  /** train, and those of the others that the plan has */
  readonly splits: BySplit<RelatedSplit>
  /** what is not wrong but probably not meant, a sentence each */
  readonly warnings: ReadonlyArray<string>
  /** Rows and texts of every split, for a table. */
  readonly describe: () => ReadonlyArray<{
    /** which one */
    readonly split: "train" | "validation" | "test"
    /** its file, or the source's name */
    readonly where: string
    /** rows in it */
    readonly rows: number
    /** of a row: 2, or 3 with negatives */
    readonly texts: number
  }>
}

/** The texts of a row in their order. */
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

/** A CSV file has a number as text. */
const scoreOf = (value: unknown, name: string, reasons: Array<string>): number => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  if (typeof number === "number" && Number.isFinite(number)) return number
  if (value !== undefined)
    reasons.push(
      `the score "${name}" is ${typeof value === "string" ? `"${value.slice(0, 40)}"` : kindOf(value)}, expected a number`
    )
  return 0
}

/** Opens the files until the scope closes. `seed` decides which rows a validation share holds out. All problems at once. */
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

/** All texts of a split, one after another. */
export const singleTexts = ({ rows, read, texts, where }: RelatedSplit): RowSource<TextFields & Located> => ({
  rows: rows * texts,
  where,
  read: (indices) => {
    const wanted = Array.from(indices)
    return Effect.map(read(wanted.map((index) => Math.floor(index / texts))), (found) =>
      found.map((row, i) => ({ text: textsOfRow(row)[wanted[i]! % texts]!, where: row.where }))
    )
  }
})

/** A row as tokens. */
interface RelatedExample {
  readonly texts: ReadonlyArray<TokenizedText>
  readonly score: number
}

/** Rows as one batch: the first texts of all, then the second, then the third. */
export interface RelatedBatch {
  /** rows */
  readonly size: number
  /** of all texts, without padding */
  readonly tokens: number
  /** [texts·size] sequences */
  readonly texts: TokenTexts
  /** [size]; 0 where rows have none */
  readonly scores: Float32Array
}

/** The row's texts as tokens; fails where one cannot be tokenized. */
const exampleOf = (row: RelatedTexts, tokenizer: Pick<TextTokenizer, "encode">, maxLength: number) =>
  Effect.map(
    Effect.forEach(textsOfRow(row), (text) => {
      const encoding = encoded({ text, where: row.where }, tokenizer, maxLength)
      return encoding instanceof DataError ? Effect.fail(encoding) : Effect.succeed(encoding)
    }),
    (texts): RelatedExample => ({ texts, score: row.score ?? 0 })
  )

/** Endless batches of a split that has at least one row. */
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
