/** A part of the data (train, validation, test) as token sequences: rows by index, and how one becomes tokens. */
import * as Effect from "effect/Effect"
import { isBroken } from "../columns.ts"
import { type DataError, dataError } from "../data-error.ts"
import { inParts, type RowSource } from "../source.ts"
import type { RowEncoder } from "./encoder.ts"
import { type CausalExample, type CausalRow, ignored, type Sequence } from "./row.ts"

/** Rows of a language model's data, and how one becomes tokens. */
export interface CausalSplit extends RowSource<CausalRow> {
  /** A row as tokens, uncut. */
  readonly encode: RowEncoder["encode"]
  /** what becomes of a sequence that is too long: its end is dropped, or it continues in further examples */
  readonly tooLong: "drop the end" | "continue"
}

/** A part of the data from its rows. */
export const causalSplit = (
  { rows, where, read }: RowSource<CausalRow>,
  encode: RowEncoder["encode"],
  tooLong: CausalSplit["tooLong"]
): CausalSplit => ({ rows, where, read, encode, tooLong })

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
