/** Heads, scores and positions of an attention, in every backend. */
import type { TensorInfo } from "@tensorflow/tfjs-core"

/** Heads, scores and visible keys of an attention. */
export interface AttentionShape {
  readonly batch: number
  readonly heads: number
  /** heads of keys and values; divides `heads`, and each serves heads/keyHeads heads of queries */
  readonly keyHeads: number
  /** factor of the scores */
  readonly scale: number
  /** soft cap of the scores; null: none */
  readonly softCap: number | null
  /** number of keys before its own position, and after it, that a query attends at most; `EVERY`: all */
  readonly back: number
  readonly ahead: number
}

/** Larger than the length of any sequence. */
export const EVERY = 1 << 29

/**
 * Numbers of P for a head of a sequence, up to which a backward pass on wasm reads P where every query attends every key: for longer ones
 * it makes P again, which takes no longer then.
 */
const MOST_WEIGHTS = 1 << 19

/** Returns the maximum number of weights of a head that are kept for the backward pass. Some kernels, and some devices, keep none. */
export const savedWeights = (queries: number, keys: number): number =>
  queries * keys <= MOST_WEIGHTS ? queries * keys : 0

/** Returns the numbers of queries and keys of a sequence, and the size of a head. */
export const sizesOf = (
  { q, k }: Readonly<Record<"q" | "k", TensorInfo>>,
  { batch, heads }: Pick<AttentionShape, "batch" | "heads">
) => ({ queries: q.shape[0]! / batch, keys: k.shape[0]! / batch, d: q.shape[1]! / heads })
