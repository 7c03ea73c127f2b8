/**
 * A source of rows: their number, and random access by index. Shuffling, splitting and
 * batching need nothing else, so a database, a cache or a generator becomes training data by implementing these members.
 */
import * as Effect from "effect/Effect"
import type { DataError } from "./data-error.ts"

/** A text, or two that belong together. */
export interface TextFields {
  /** the text, or the first of two */
  readonly text: string
  /** second text; absent: rows have one */
  readonly textPair?: string
}

/** A row's place for error messages: `train.jsonl:12`. */
export interface Located {
  /** file and line, or the source's name for the row */
  readonly where: string
}

/** A labelled text. */
export interface LabelledText extends TextFields, Located {
  /** class as in the row */
  readonly label: string
  /** path or bytes of an image, whose name is `text` */
  readonly image?: string | Uint8Array
}

/** A text, or two, as tokens. */
export interface TokenizedText {
  /** token ids, including special tokens */
  readonly ids: ReadonlyArray<number>
  /** one per id: 0 in the first text, 1 in the second */
  readonly typeIds: ReadonlyArray<number>
}

/** A tokenized labelled text. */
export interface Example extends TokenizedText {
  /** index into the plan's labels */
  readonly label: number
}

/** Rows with random access, from a file of any size or from memory. */
export interface RowSource<Row> {
  /** number of rows */
  readonly rows: number
  /** Reads the rows at `indices` (each in 0 … rows − 1), in that order. */
  readonly read: (indices: ArrayLike<number>) => Effect.Effect<ReadonlyArray<Row>, DataError>
  /** name in messages, such as the file's path */
  readonly where: string
}

/** Rows of a text and a label. */
export type LabelledTextSource = RowSource<LabelledText>

// Rows that are read at once: enough to hide the latency of a disk, few enough that they may be as long as books.
const rowsPerPart = 64

/** Reads rows in parts and returns the results of `read`, so that only a few texts are in memory instead of a pool of batches. */
export const inParts = <A, E>(
  indices: ArrayLike<number>,
  read: (part: Uint32Array) => Effect.Effect<ReadonlyArray<A>, E>
): Effect.Effect<ReadonlyArray<A>, E> =>
  Effect.gen(function* () {
    const all = Uint32Array.from(indices)
    const results: Array<A> = []
    for (let at = 0; at < all.length; at += rowsPerPart) {
      for (const result of yield* read(all.subarray(at, at + rowsPerPart))) results.push(result)
    }
    return results
  })

/**
 * Creates a source from rows in memory.
 *
 * @example
 * import { fromRows } from "tfjs-lora-pro/data"
 *
 * const source = fromRows([{ text: "a fine film", label: "positive" }, { text: "a bore", label: "negative" }])
 */
export const fromRows = (
  rows: ReadonlyArray<Pick<LabelledText, "text" | "label"> & Partial<LabelledText>>,
  where = "rows"
): LabelledTextSource => {
  const located = rows.map(
    ({ text, textPair, label, where: place = "" }, i): LabelledText => ({
      text,
      ...(textPair === undefined ? {} : { textPair }),
      label,
      where: place === "" ? `${where}[${i}]` : place
    })
  )
  return {
    rows: located.length,
    where,
    read: (indices) => Effect.sync(() => Array.from(indices, (index) => located[index]!))
  }
}

/** Returns a part of a source: row i of the result is row `indices[i]`. */
export const subset = <Row>({ read }: RowSource<Row>, indices: Uint32Array, where: string): RowSource<Row> => ({
  rows: indices.length,
  where,
  read: (rows) => read(Array.from(rows, (index) => indices[index]!))
})

/** A part of the data (train, validation, test) with its classes. */
export interface ClassificationSplit extends LabelledTextSource {
  /** the label of every class; a class is an index into this list */
  readonly labels: ReadonlyArray<string>
  /** rows of each class; absent where a source was not scanned */
  readonly classCounts?: ReadonlyArray<number>
}

/**
 * Creates a split from a source.
 *
 * @example
 * import { classificationSplit, fromRows } from "tfjs-lora-pro/data"
 *
 * const train = classificationSplit(fromRows([{ text: "a fine film", label: "positive" }]), ["negative", "positive"])
 */
export const classificationSplit = (
  source: LabelledTextSource,
  labels: ReadonlyArray<string>,
  classCounts?: ReadonlyArray<number>
): ClassificationSplit => ({
  rows: source.rows,
  where: source.where,
  read: source.read,
  labels,
  ...(classCounts === undefined ? {} : { classCounts })
})
