/** Examples that were read together become the rows of batches: packed, or one example a row, of like length in a batch. */
import type { Random } from "../../numbers/index.ts"
import { bucketBatches } from "../buckets.ts"
import { shuffle } from "../order.ts"
import { packed } from "./pack.ts"
import type { CausalExample } from "./row.ts"

export interface Batching {
  /** rows of a batch */
  readonly batchSize: number
  /** tokens of a row at most */
  readonly maxLength: number
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
  { batchSize, maxLength, packing }: Batching
): BatchRows => {
  if (packing) return dealt(packed(examples, lengthOf, maxLength), batchSize)
  const sorted = examples.toSorted((a, b) => lengthOf(a) - lengthOf(b)).map((example) => [example])
  return Array.from({ length: Math.ceil(sorted.length / batchSize) }, (_, i) =>
    sorted.slice(i * batchSize, (i + 1) * batchSize)
  )
}

/** As few batches as `size` allows, their sizes one apart at most. */
const dealt = <A>(rows: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> => {
  const batches = Math.ceil(rows.length / size)
  const border = (i: number) => Math.floor((i * rows.length) / batches)
  return Array.from({ length: batches }, (_, i) => rows.slice(border(i), border(i + 1)))
}
