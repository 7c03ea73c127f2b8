/** A split of pairs of token sequences: each prompt with its chosen and with its rejected answer. */
import * as Effect from "effect/Effect"
import type { RowEncoder } from "../causal/encoder.ts"
import type { CausalExample, CausalRow } from "../causal/row.ts"
import { type CausalSplit, causalSplit, examplesOf } from "../causal/split.ts"
import { isBroken } from "../columns.ts"
import type { DataError } from "../data-error.ts"
import type { RowSource } from "../source.ts"
import type { PreferenceRow } from "./row.ts"

export interface PreferenceSplit extends RowSource<PreferenceRow> {
  /** Encodes a prompt with one of its answers, without truncation; only answers are learned. */
  readonly encode: RowEncoder["encode"]
}

/** A row as two truncated sequences. */
export interface Pair {
  readonly row: number
  readonly chosen: CausalExample
  readonly rejected: CausalExample
}

const SIDES = ["chosen", "rejected"] as const

/** Returns the split as single sequences: number 2i is row i with its chosen answer, number 2i + 1 with its rejected one. */
export const sidesOf = ({ rows, where, read, encode }: PreferenceSplit): CausalSplit => {
  const source: RowSource<CausalRow> = {
    rows: SIDES.length * rows,
    where,
    read: (indices) => {
      const textIndices = Array.from(indices)
      const numbers = [...new Set(textIndices.map((index) => index >> 1))]
      return Effect.map(read(numbers), (examples) => {
        const byNumber = new Map(numbers.map((number, i) => [number, examples[i]!]))
        return textIndices.map((index) => {
          const row = byNumber.get(index >> 1)!
          return { content: row[SIDES[index & 1]!], where: row.where }
        })
      })
    }
  }
  return causalSplit(source, onlyOne(encode), "drop the end")
}

/** Requires a single sequence per answer, whose log-probability is compared. */
const onlyOne =
  (encode: RowEncoder["encode"]): RowEncoder["encode"] =>
  (content) => {
    const sequences = encode(content)
    if (isBroken(sequences) || sequences.length === 1) return sequences
    return {
      broken:
        "the answer has several turns of the assistant, but the chat template changes a turn once others follow; keep only the last turn, and move the others into the prompt"
    }
  }

/** Returns the split with chosen answers only, for prompts as inputs. */
export const chosenOf = (split: PreferenceSplit): CausalSplit => {
  const sides = sidesOf(split)
  return { ...sides, rows: split.rows, read: (indices) => sides.read(Array.from(indices, (index) => 2 * index)) }
}

/** Returns the pairs of some rows. Skips pairs of which truncation removes an answer, since they cannot be compared. */
export const pairsOf = (
  split: PreferenceSplit,
  indices: ArrayLike<number>,
  maxLength: number
): Effect.Effect<ReadonlyArray<Pair>, DataError> => {
  const rows = Array.from(indices)
  return Effect.map(
    examplesOf(
      sidesOf(split),
      rows.flatMap((row) => [2 * row, 2 * row + 1]),
      maxLength
    ),
    (examples) => {
      const byNumber = new Map(examples.map((example) => [example.row, example]))
      return rows.flatMap((row) => {
        const [chosen, rejected] = [byNumber.get(2 * row), byNumber.get(2 * row + 1)]
        return chosen === undefined || rejected === undefined ? [] : [{ row, chosen, rejected }]
      })
    }
  )
}
