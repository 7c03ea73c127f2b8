/**
 * Length buckets: sort a pool of shuffled rows by length, cut it into batches, shuffle the batches. Texts of like
 * length share a batch, so little of it is padding, while a batch's rows still come from the whole of the data and
 * short batches do not all come first.
 */
import type { Random } from "../numbers/index.ts"
import { shuffle } from "./order.ts"

/**
 * Cuts a pool into batches of `size` (the last one of the sorted pool may be smaller) in a random order. Equal lengths
 * keep their order.
 */
export const bucketBatches = <A>(
  pool: ReadonlyArray<A>,
  lengthOf: (item: A) => number,
  size: number,
  random: Random
): ReadonlyArray<ReadonlyArray<A>> => {
  const sorted = pool.toSorted((a, b) => lengthOf(a) - lengthOf(b))
  const batches = Array.from({ length: Math.ceil(sorted.length / size) }, (_, i) =>
    sorted.slice(i * size, (i + 1) * size)
  )
  shuffle(batches, random)
  return batches
}
