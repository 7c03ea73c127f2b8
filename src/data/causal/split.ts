/** A part of the data (train, validation, test) as token sequences: rows by index, and how one becomes tokens. */
import * as Effect from "effect/Effect"
import { isBroken } from "../columns.ts"
import { type DataError, dataError } from "../data-error.ts"
import { inParts, type LabelledText, type LabelledTextSource } from "../source.ts"
import type { RowEncoder } from "./encoder.ts"
import { type CausalContent, type CausalExample, type CausalRow, ignored, type Sequence } from "./row.ts"

export interface CausalSplit {
  readonly rows: number
  /** what to call it in messages, e.g. the file's path */
  readonly where: string
  /** The rows at `indices` (each in 0 … rows − 1), in that order. */
  readonly read: (indices: ArrayLike<number>) => Effect.Effect<ReadonlyArray<CausalRow>, DataError>
  /** A row as tokens, uncut. */
  readonly encode: RowEncoder["encode"]
  /** what becomes of a sequence that is too long: its end is dropped, or it continues in further examples */
  readonly tooLong: "drop the end" | "continue"
}

/** A source whose texts are rows as `openCausalRows` writes them. */
export const causalSplit = (
  source: LabelledTextSource,
  encode: RowEncoder["encode"],
  tooLong: CausalSplit["tooLong"]
): CausalSplit => ({
  rows: source.rows,
  where: source.where,
  read: (indices) => Effect.map(source.read(indices), (rows) => rows.map(causalRow)),
  encode,
  tooLong
})

/** A row as it was scanned, back in its own form. */
const causalRow = ({ text, where }: LabelledText): CausalRow => ({ content: JSON.parse(text) as CausalContent, where })

/** The sequences of rows; the first row that is none fails. */
export const sequencesOf = (
  split: CausalSplit,
  rows: ReadonlyArray<CausalRow>
): Effect.Effect<ReadonlyArray<Sequence>, DataError> =>
  Effect.gen(function* () {
    const sequences: Array<Sequence> = []
    for (const { content, where } of rows) {
      const sequence = split.encode(content)
      if (isBroken(sequence)) return yield* dataError(where, sequence.broken)
      sequences.push(sequence)
    }
    return sequences
  })

/**
 * The examples of some rows, each of at most `maxLength` tokens. One in which nothing is learned is left out: a batch of
 * such would have no loss.
 */
export const examplesOf = (
  split: CausalSplit,
  indices: ArrayLike<number>,
  maxLength: number
): Effect.Effect<ReadonlyArray<CausalExample>, DataError> =>
  inParts(indices, (part) =>
    Effect.gen(function* () {
      const sequences = yield* sequencesOf(split, yield* split.read(part))
      return sequences.flatMap((sequence, i) =>
        cut(sequence, maxLength, split.tooLong).flatMap((piece) =>
          piece.labels.some((label) => label !== ignored) ? [{ ...piece, row: part[i]! }] : []
        )
      )
    })
  )

/** A sequence in pieces of at most `maxLength` tokens: the first one alone, or all. */
export const cut = (
  { ids, labels }: Sequence,
  maxLength: number,
  tooLong: CausalSplit["tooLong"]
): ReadonlyArray<Sequence> => {
  const pieces = tooLong === "continue" ? Math.ceil(ids.length / maxLength) : 1
  return Array.from({ length: pieces }, (_, i) => ({
    ids: ids.subarray(i * maxLength, (i + 1) * maxLength),
    labels: labels.subarray(i * maxLength, (i + 1) * maxLength)
  }))
}
