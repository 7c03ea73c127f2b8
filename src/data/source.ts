/**
 * A source of rows: how many there are, and any of them by index. This is all that shuffling, splitting and
 * batching need, so a database, a cache or a generator becomes training data by implementing two members.
 */
import * as Effect from "effect/Effect"
import type { DataError } from "./data-error.ts"

/** A text, or two that belong together. */
export interface TextFields {
  /** the text, or the first of two */
  readonly text: string
  /** the second text; absent: rows have one */
  readonly textPair?: string
}

/** A row's place for error messages: `train.jsonl:12`. */
export interface Located {
  /** file and line, or what the source calls the row */
  readonly where: string
}

/** One labelled text. */
export interface LabelledText extends TextFields, Located {
  /** its class, as the row has it */
  readonly label: string
  /** what is looked at where the text is but its name: the path of an image's file, or its bytes */
  readonly image?: string | Uint8Array
}

/** A text, or two, as tokens. */
export interface TokenizedText {
  /** with special tokens */
  readonly ids: ReadonlyArray<number>
  /** as many as `ids`: 0 in the first text, 1 in the second */
  readonly typeIds: ReadonlyArray<number>
}

/** A labelled text as tokens. */
export interface Example extends TokenizedText {
  /** index into the plan's labels */
  readonly label: number
}

/** Rows that can be read by their position, from a file of any size or from memory. */
export interface RowSource<Row> {
  /** how many there are */
  readonly rows: number
  /** The rows at `indices` (each in 0 … rows − 1), in that order. */
  readonly read: (indices: ArrayLike<number>) => Effect.Effect<ReadonlyArray<Row>, DataError>
  /** what to call it in messages, e.g. the file's path */
  readonly where: string
}

/** Rows of a text and a label. */
export type LabelledTextSource = RowSource<LabelledText>

// Rows that are read at once: enough to hide the latency of a disk, few enough that they may be as long as books.
const rowsPerPart = 64

/** What `read` makes of rows, a part of them at a time, so that the texts of a few are in memory and not those of a pool of batches. */
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
 * Rows in memory.
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

/** Some rows of a source: row i of the result is row `indices[i]`. */
export const subset = <Row>({ read }: RowSource<Row>, indices: Uint32Array, where: string): RowSource<Row> => ({
  rows: indices.length,
  where,
  read: (wanted) => read(Array.from(wanted, (index) => indices[index]!))
})

/** A part of the data (train, validation, test) with its classes. */
export interface ClassificationSplit extends LabelledTextSource {
  /** the label of every class; a class is an index into this list */
  readonly labels: ReadonlyArray<string>
  /** rows of each class; absent where a source was not scanned */
  readonly classCounts?: ReadonlyArray<number>
}

/**
 * Makes any source a split.
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
