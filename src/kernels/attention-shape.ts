/** What attention needs to know of its heads, scores and places, in every backend. */
import type { TensorInfo } from "@tensorflow/tfjs-core"

export interface AttentionShape {
  readonly batch: number
  readonly heads: number
  /** divides `heads`: as many of them share keys and values */
  readonly keyHeads: number
  /** of the scores */
  readonly scale: number
  /** of the scores; null: none */
  readonly softCap: number | null
  /** how many keys before its own place, and after it, a query attends at most; `EVERY`: all */
  readonly back: number
  readonly ahead: number
}

/** More places than any sequence has. */
export const EVERY = 1 << 29

/**
 * Numbers of P for a head of a sequence, up to which a backward pass on wasm reads P where every query attends every key: for longer ones
 * it makes P again, which takes no longer then.
 */
const KEPT = 1 << 19

/** Weights of a head that are kept for the backward pass, at most: of some forms, and on some devices, none are. */
export const keptWeights = (queries: number, keys: number): number => (queries * keys <= KEPT ? queries * keys : 0)

/** Queries and keys of a sequence, and numbers of a head. */
export const sizesOf = (
  { q, k }: Readonly<Record<"q" | "k", TensorInfo>>,
  { batch, heads }: Pick<AttentionShape, "batch" | "heads">
) => ({ queries: q.shape[0]! / batch, keys: k.shape[0]! / batch, d: q.shape[1]! / heads })
