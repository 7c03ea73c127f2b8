/**
 * Seeded orders. The order of an epoch is a function of (rows, seed, epoch) alone, so a resumed run finds it again
 * without replaying what came before.
 */
import { type Random, randomStream } from "../numbers/index.ts"

/** The order of an epoch's rows: a uniform permutation of 0 … rows − 1, 4 bytes a row. Epochs count from 0. */
export const epochOrder = (rows: number, seed: number, epoch: number): Uint32Array => {
  const order = new Uint32Array(rows)
  for (let i = 0; i < rows; i++) order[i] = i
  shuffle(order, randomStream(seed, "order", epoch))
  return order
}

/** Fisher and Yates: in place, every permutation equally likely (up to the generator's 53 bits). */
export const shuffle = <A>(items: { [index: number]: A; readonly length: number }, random: Random): void => {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const item = items[i]!
    items[i] = items[j]!
    items[j] = item
  }
}

/**
 * Holds out a share of `rows` rows: round(rows · share) of them, at least one, and at least one is kept. Both parts are
 * in the file's order and depend on (rows, share, seed) alone. Needs two rows.
 */
export const holdOut = (
  rows: number,
  share: number,
  seed: number
): { readonly kept: Uint32Array; readonly heldOut: Uint32Array } => {
  const order = new Uint32Array(rows).map((_, i) => i)
  shuffle(order, randomStream(seed, "validation"))
  const size = Math.min(rows - 1, Math.max(1, Math.round(rows * share)))
  return { heldOut: order.slice(0, size).sort(), kept: order.slice(size).sort() }
}
