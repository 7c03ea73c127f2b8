/**
 * Orders in which rows are read. The order of an epoch is a function of (rows, seed, epoch) only, so a resumed run reproduces it
 * without replaying earlier epochs.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Random, randomStream } from "../numbers/index.ts"

/** Returns the row order of an epoch: a uniform permutation of 0 … rows − 1, 4 bytes per row. Epochs count from 0. */
export const epochOrder = (rows: number, seed: number, epoch: number): Uint32Array => {
  const order = new Uint32Array(rows)
  for (let i = 0; i < rows; i++) order[i] = i
  shuffle(order, randomStream(seed, "order", epoch))
  return order
}

/** Returns `epochOrder` with a cache of the last requested epoch. */
export const epochOrders = (rows: number, seed: number): ((epoch: number) => Uint32Array) => {
  let current: { readonly epoch: number; readonly order: Uint32Array } | undefined
  return (epoch) => {
    if (current?.epoch !== epoch) current = { epoch, order: epochOrder(rows, seed, epoch) }
    return current.order
  }
}

/** Position of the next batch. Both count from 0; `batch` is within the epoch. */
export interface BatchPosition {
  /** epoch, from 0 */
  readonly epoch: number
  /** batch, from 0 */
  readonly batch: number
}

/** Returns the batches per epoch, of which the last may be smaller. */
export const batchesPerEpoch = (rows: number, batchSize: number): number => Math.ceil(rows / batchSize)

/** Reads the first `rows` rows in order, `size` at a time, with `read` for each stretch. A finite stream. */
export const inStretches = <A, E>(
  rows: number,
  size: number,
  read: (indices: Uint32Array) => Effect.Effect<ReadonlyArray<A>, E>
): Stream.Stream<A, E> =>
  Stream.paginate(0, (start) => {
    const end = Math.min(rows, start + size)
    const indices = Uint32Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i)
    return Effect.map(read(indices), (some) => [some, end < rows ? Option.some(end) : Option.none<number>()] as const)
  })

/** Shuffles in place (Fisher–Yates): all permutations are equally likely (up to the generator's 53 bits). */
export const shuffle = <A>(items: { [index: number]: A; readonly length: number }, random: Random): void => {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const item = items[i]!
    items[i] = items[j]!
    items[j] = item
  }
}

/**
 * Holds out a share of `rows` rows: round(rows · share) of them, leaving at least one row in each part. Both parts are
 * in file order and depend on (rows, share, seed) and the classes only. Requires two rows.
 *
 * `classOf`: stratifies by class, as close to the share as whole rows allow, by largest remainders, keeping at least one row of each. If
 * all rows have one class, holds out the same rows as without classes.
 */
export const holdOut = (
  rows: number,
  share: number,
  seed: number,
  classOf?: (row: number) => number
): { readonly trainRows: Uint32Array; readonly heldOut: Uint32Array } => {
  const order = new Uint32Array(rows).map((_, i) => i)
  shuffle(order, randomStream(seed, "validation"))
  const size = Math.min(rows - 1, Math.max(1, Math.round(rows * share)))
  const quotas = classOf === undefined ? undefined : quotasOf(order, size, classOf)
  if (quotas === undefined) return { heldOut: order.slice(0, size).sort(), trainRows: order.slice(size).sort() }
  const isHeldOut = order.map((row) => {
    const rowClass = classOf!(row)
    const quota = quotas.get(rowClass)!
    quotas.set(rowClass, quota - 1)
    return quota > 0 ? 1 : 0
  })
  return {
    heldOut: order.filter((_, i) => isHeldOut[i] === 1).sort(),
    trainRows: order.filter((_, i) => isHeldOut[i] === 0).sort()
  }
}

/** Returns the number of held-out rows per class, `size` in total if each class can keep one; undefined: none can be held out. */
const quotasOf = (
  order: Uint32Array,
  size: number,
  classOf: (row: number) => number
): Map<number, number> | undefined => {
  const counts = new Map<number, number>()
  for (const row of order) counts.set(classOf(row), (counts.get(classOf(row)) ?? 0) + 1)
  const exact = [...counts].map(([classNumber, count]) => ({
    classNumber,
    count,
    quota: (size * count) / order.length
  }))
  const quotas = new Map(exact.map(({ classNumber, quota }) => [classNumber, Math.floor(quota)]))
  const remainder = ({ quota }: { readonly quota: number }) => quota - Math.floor(quota)
  exact.sort((a, b) => remainder(b) - remainder(a) || b.count - a.count || a.classNumber - b.classNumber)
  const canGive = exact.filter(({ count }) => count > 1)
  let remaining = canGive.length === 0 ? 0 : size - exact.reduce((sum, { quota }) => sum + Math.floor(quota), 0)
  for (let at = 0, refused = 0; remaining > 0 && refused < canGive.length; at++) {
    const { classNumber, count } = canGive[at % canGive.length]!
    const quota = quotas.get(classNumber)!
    if (quota + 1 === count) refused++
    else {
      quotas.set(classNumber, quota + 1)
      remaining--
      refused = 0
    }
  }
  return [...quotas.values()].some((quota) => quota > 0) ? quotas : undefined
}

/**
 * Creates length buckets: sorts a pool of shuffled rows by length, cuts it into batches of `size` (the last one may be smaller) and
 * shuffles the batches. Texts of similar length share a batch, which reduces padding, while the rows of a batch come from the
 * whole data and short batches are spread over the epoch. Equal lengths keep their order.
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
