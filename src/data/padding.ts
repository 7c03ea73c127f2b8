/**
 * Examples of different lengths become one rectangle: padded to the longest, rounded up to a multiple where a device
 * compiles a program per shape and few shapes are wanted. Padding is masked, so neither changes a result beyond
 * rounding.
 */
import type { Batch, Example } from "./row.ts"

export interface Padding {
  /** fills up; any id of the vocabulary would do, since the mask hides it */
  readonly padId: number
  /** lengths are rounded up to a multiple of this (1: not at all) */
  readonly padMultiple: number
  /** …but never beyond this, which may be all the positions that the model has */
  readonly maxLength: number
}

/** examples: [size], at least one → Batch [size, length]. */
export const padBatch = (examples: ReadonlyArray<Example>, { padId, padMultiple, maxLength }: Padding): Batch => {
  const size = examples.length
  const longest = examples.reduce((most, example) => Math.max(most, example.ids.length), 1)
  const length = Math.max(longest, Math.min(maxLength, Math.ceil(longest / padMultiple) * padMultiple))
  const inputIds = new Int32Array(size * length).fill(padId)
  const tokenTypeIds = new Int32Array(size * length)
  const attentionMask = new Float32Array(size * length)
  examples.forEach(({ ids, typeIds }, row) => {
    inputIds.set(ids, row * length)
    tokenTypeIds.set(typeIds, row * length)
    attentionMask.fill(1, row * length, row * length + ids.length)
  })
  const labels = Int32Array.from(examples, (example) => example.label)
  const tokens = examples.reduce((total, example) => total + example.ids.length, 0)
  return { size, length, inputIds, tokenTypeIds, attentionMask, labels, tokens }
}
