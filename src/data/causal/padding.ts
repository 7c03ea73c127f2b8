/** Rows of examples become one rectangle. */
import type { CausalRows } from "../../tensors/index.ts"
import type { Padding } from "../padding.ts"
import { type CausalExample, ignored, type Sequence } from "./row.ts"

/** rows: [size], each the examples that stand in it one behind another → CausalRows [size, length]. */
export const padRows = (
  rows: ReadonlyArray<ReadonlyArray<Sequence>>,
  { padId, padMultiple, maxLength }: Padding
): CausalRows => {
  const size = rows.length
  const longest = rows.reduce((most, row) => Math.max(most, tokensOf(row)), 1)
  const length = Math.max(longest, Math.min(maxLength, Math.ceil(longest / padMultiple) * padMultiple))
  const inputIds = new Int32Array(size * length).fill(padId)
  const labels = new Int32Array(size * length).fill(ignored)
  const segments = new Int32Array(size * length).fill(-1)
  const positions = new Int32Array(size * length)
  rows.forEach((row, i) => {
    let at = i * length
    row.forEach((example, segment) => {
      inputIds.set(example.ids, at)
      labels.set(example.labels, at)
      segments.fill(segment, at, at + example.ids.length)
      for (let t = 0; t < example.ids.length; t++) positions[at + t] = t
      at += example.ids.length
    })
  })
  return {
    size,
    length,
    inputIds,
    labels,
    segments,
    positions,
    tokens: rows.reduce((all, row) => all + tokensOf(row), 0)
  }
}

export const tokensOf = (row: ReadonlyArray<Sequence>): number =>
  row.reduce((total, example) => total + example.ids.length, 0)

/** The rows of the split that stand in each row of a batch. */
export const originsOf = (rows: ReadonlyArray<ReadonlyArray<CausalExample>>): ReadonlyArray<ReadonlyArray<number>> =>
  rows.map((row) => row.map((example) => example.row))
