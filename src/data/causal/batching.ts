/** Arranges examples that were read together in batch rows: packed, or one example per row, with similar lengths in a batch. */
import type { Random } from "../../numbers/index.ts"
import type { CausalRows } from "../../tensors/index.ts"
import { bucketBatches, shuffle } from "../order.ts"
import { lengthBatches, type Padding, paddedLength } from "../text-batches.ts"
import { type CausalExample, ignored, type Sequence } from "./row.ts"

/** Options for batches of a language model. */
export interface Batching {
  /** rows per batch */
  readonly batchSize: number
  /** maximum tokens per row */
  readonly maxLength: number
  /** whether a row may hold several texts, each attending to itself only */
  readonly packing: boolean
}

/** Examples in each row of each batch. */
export type BatchRows = ReadonlyArray<ReadonlyArray<ReadonlyArray<CausalExample>>>

const lengthOf = ({ ids }: CausalExample): number => ids.length

/**
 * Creates batches in random order. Packed rows are divided evenly: their number depends on the packing, and a last batch with one
 * row would have the same weight in training as a full one.
 */
export const shuffledBatches = (
  examples: ReadonlyArray<CausalExample>,
  { batchSize, maxLength, packing }: Batching,
  random: Random
): BatchRows => {
  if (!packing) {
    return bucketBatches(examples, lengthOf, batchSize, random).map((batch) => batch.map((example) => [example]))
  }
  const rows = [...packed(examples, lengthOf, maxLength)]
  shuffle(rows, random)
  return dealt(rows, batchSize)
}

/** Creates batches from the shortest to the longest rows, deterministically. */
export const orderedBatches = (
  examples: ReadonlyArray<CausalExample>,
  { batchSize, maxLength, packing, padMultiple = 1 }: Batching & { readonly padMultiple?: number }
): BatchRows =>
  packing
    ? dealt(packed(examples, lengthOf, maxLength), batchSize)
    : lengthBatches(examples, lengthOf, batchSize, { padMultiple, maxLength }).map((batch) =>
        batch.map((example) => [example])
      )

/** Divides rows into as few batches as `size` allows, whose sizes differ by at most one. */
const dealt = <A>(rows: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> => {
  const batches = Math.ceil(rows.length / size)
  const border = (i: number) => Math.floor((i * rows.length) / batches)
  return Array.from({ length: batches }, (_, i) => rows.slice(border(i), border(i + 1)))
}

/**
 * Packs several examples into one batch row, to reduce padding. Best fit decreasing: each example goes to the row where it
 * leaves the least space, or to a new row. (At most 11/9 of the minimum number of rows, plus one; Johnson 1973.
 * First fit in data order needs up to 17/10.)
 *
 * Returns the examples of each row. A row is longer than `capacity` tokens only if it is a single example. Equal lengths keep
 * their order.
 */
export const packed = <A>(
  examples: ReadonlyArray<A>,
  lengthOf: (example: A) => number,
  capacity: number
): ReadonlyArray<ReadonlyArray<A>> => {
  const rows: Array<Array<A>> = []
  // rows by their remaining space
  const withRoom: Array<Array<Array<A>>> = Array.from({ length: capacity + 1 }, () => [])
  for (const example of examples.toSorted((a, b) => lengthOf(b) - lengthOf(a))) {
    const length = lengthOf(example)
    let room = length
    while (room <= capacity && withRoom[room]!.length === 0) room++
    const row = withRoom[room]?.pop() ?? []
    if (row.length === 0) rows.push(row)
    row.push(example)
    withRoom[(row.length === 1 ? capacity : room) - length]?.push(row)
  }
  return rows
}

/** Pads rows, [size] lists of consecutive examples, to CausalRows of shape [size, length]. */
export const padRows = (rows: ReadonlyArray<ReadonlyArray<Sequence>>, padding: Padding): CausalRows => {
  const size = rows.length
  const longest = rows.reduce((most, row) => Math.max(most, tokensOf(row)), 1)
  const length = paddedLength(longest, padding)
  const inputIds = new Int32Array(size * length).fill(padding.padId)
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

/** Returns the split row indices in each batch row. */
export const originsOf = (rows: ReadonlyArray<ReadonlyArray<CausalExample>>): ReadonlyArray<ReadonlyArray<number>> =>
  rows.map((row) => row.map((example) => example.row))
