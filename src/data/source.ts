/**
 * A source of labelled texts: a number of rows, and any of them by index. This is all that shuffling, splitting and
 * batching need, so a database, a cache or a generator becomes training data by implementing two members.
 */
import * as Effect from "effect/Effect"
import type { DataError } from "./data-error.ts"
import type { LabelledText } from "./row.ts"

export interface LabelledTextSource {
  readonly rows: number
  /** The rows at `indices` (each in 0 … rows − 1), in that order. */
  readonly read: (indices: ArrayLike<number>) => Effect.Effect<ReadonlyArray<LabelledText>, DataError>
  /** what to call it in messages, e.g. the file's path */
  readonly where: string
}

/**
 * Rows in memory.
 *
 * @example
 * const source = fromRows([{ text: "a fine film", label: "positive" }, { text: "a bore", label: "negative" }])
 */
export const fromRows = (
  rows: ReadonlyArray<Pick<LabelledText, "text" | "label"> & Partial<LabelledText>>,
  where = "rows"
): LabelledTextSource => {
  const placed = rows.map((row, i) => ({ text: row.text, label: row.label, where: row.where ?? `${where}[${i}]` }))
  return {
    rows: placed.length,
    where,
    read: (indices) => Effect.sync(() => Array.from(indices, (index) => placed[index]!))
  }
}

/** Some rows of a source: row i of the result is row `indices[i]`. */
export const subset = ({ read }: LabelledTextSource, indices: Uint32Array, where: string): LabelledTextSource => ({
  rows: indices.length,
  where,
  read: (wanted) => read(Array.from(wanted, (index) => indices[index]!))
})
