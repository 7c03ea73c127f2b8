/** Examples that were read together become the rows of batches: packed, or one example a row, of like length in a batch. */
import type { Random } from "../../numbers/index.ts"
import type { CausalRows } from "../../tensors/index.ts"
import { bucketBatches, shuffle } from "../order.ts"
import { lengthBatches, type Padding, paddedLength } from "../text-batches.ts"
import { type CausalExample, ignored, type Sequence } from "./row.ts"

/** How rows of tokens become batches of a language model: one row in a place, or several in sequence (`packing`). */
export interface Batching {
  /** rows of a batch */
  readonly batchSize: number
  /** tokens of a row at most */
  readonly maxLength: number
  /** several texts in a row, each attending to itself alone */
  readonly packing: boolean
}

/** The examples in each row of each batch. */
export type BatchRows = ReadonlyArray<ReadonlyArray<ReadonlyArray<CausalExample>>>

const lengthOf = ({ ids }: CausalExample): number => ids.length

/**
 * Batches in a random order. Packed rows are dealt out evenly: their number is what packing makes it, and a last batch of one
 * row would weigh as much in training as a full one.
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

/** Batches from the shortest to the longest rows, always the same. */
export const orderedBatches = (
  examples: ReadonlyArray<CausalExample>,
  { batchSize, maxLength, packing, padMultiple = 1 }: Batching & { readonly padMultiple?: number }
): BatchRows =>
  packing
    ? dealt(packed(examples, lengthOf, maxLength), batchSize)
    : lengthBatches(examples, lengthOf, batchSize, { padMultiple, maxLength }).map((batch) =>
        batch.map((example) => [example])
      )

/** As few batches as `size` allows, their sizes one apart at most. */
const dealt = <A>(rows: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> => {
  const batches = Math.ceil(rows.length / size)
  const border = (i: number) => Math.floor((i * rows.length) / batches)
  return Array.from({ length: batches }, (_, i) => rows.slice(border(i), border(i + 1)))
}

/**
 * Packing: several examples in one row of a batch, so that little of it is padding. Best fit decreasing: each example goes where it
 * leaves the least room, and into a new row where it fits nowhere. (At most 11/9 of the fewest rows possible, and a row; Johnson 1973.
 * First fit in the order of the data needs up to 17/10.)
 *
 * The rows, each as its examples; none is longer than `capacity` tokens unless a single example is. Equal lengths keep
 * their order.
 */
export const packed = <A>(
  examples: ReadonlyArray<A>,
  lengthOf: (example: A) => number,
  capacity: number
): ReadonlyArray<ReadonlyArray<A>> => {
  const rows: Array<Array<A>> = []
  // by the room that is left: the rows that have it
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

/** rows: [size], each the examples that are in it, one after another → CausalRows [size, length]. */
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

/** The split's row numbers in each row of a batch. */
export const originsOf = (rows: ReadonlyArray<ReadonlyArray<CausalExample>>): ReadonlyArray<ReadonlyArray<number>> =>
  rows.map((row) => row.map((example) => example.row))
