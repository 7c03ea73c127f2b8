/** A split (train, validation, test) of token sequences: rows by index, and their encoding. */
import * as Effect from "effect/Effect"
import { isBroken } from "../columns.ts"
import { type DataError, dataError } from "../data-error.ts"
import { inParts, type RowSource } from "../source.ts"
import type { RowEncoder } from "./encoder.ts"
import { type CausalExample, type CausalRow, ignored, type Sequence } from "./row.ts"

/** Rows of a language model's data with their encoding. */
export interface CausalSplit extends RowSource<CausalRow> {
  /** Encodes a row, without truncation: one sequence, or one per turn. */
  readonly encode: RowEncoder["encode"]
  /** whether a row may become several sequences */
  readonly several: boolean
  /** handling of sequences that are too long: drop the end, or continue in further examples */
  readonly tooLong: "drop the end" | "continue"
}

/** Creates a split from its rows. */
export const causalSplit = (
  { rows, where, read }: RowSource<CausalRow>,
  encode: RowEncoder["encode"],
  tooLong: CausalSplit["tooLong"],
  several = false
): CausalSplit => ({ rows, where, read, encode, tooLong, several })

/** Returns the sequences of each row. Fails with the first row that has none. */
export const sequencesOf = (
  split: CausalSplit,
  rows: ReadonlyArray<CausalRow>
): Effect.Effect<ReadonlyArray<ReadonlyArray<Sequence>>, DataError> =>
  Effect.gen(function* () {
    const all: Array<ReadonlyArray<Sequence>> = []
    for (const { content, where } of rows) {
      const sequences = split.encode(content)
      if (isBroken(sequences)) return yield* dataError(where, sequences.broken)
      // batches are numbered by it, and a run is resumed by their numbers
      if (sequences.length > 1 && !split.several) return yield* dataError(where, unexpectedlyApart)
      all.push(sequences)
    }
    return all
  })

const unexpectedlyApart = 'its turns cannot be learned together, although rows like it can; set data.turns to "apart"'

/**
 * Returns the examples of some rows, each of at most `maxLength` tokens. Skips examples without learned tokens: a batch of
 * them would have no loss.
 */
export const examplesOf = (
  split: CausalSplit,
  indices: ArrayLike<number>,
  maxLength: number
): Effect.Effect<ReadonlyArray<CausalExample>, DataError> =>
  inParts(indices, (part) =>
    Effect.gen(function* () {
      const sequences = yield* sequencesOf(split, yield* split.read(part))
      return sequences.flatMap((example, i) =>
        example
          .flatMap((sequence) => cut(sequence, maxLength, split.tooLong))
          .flatMap((piece) => (piece.labels.some((label) => label !== ignored) ? [{ ...piece, row: part[i]! }] : []))
      )
    })
  )

/** Cuts a sequence into pieces of at most `maxLength` tokens, and returns the first one or all. */
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
