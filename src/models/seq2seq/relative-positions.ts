/**
 * T5's relative positions (Raffel et al., arXiv 1910.10683, section 2.1): what is added to a score depends on the head and on the bucket of
 * the distance between key and query. Half of the buckets are for one distance each, the others for ranges whose lengths grow by a constant
 * factor up to the largest distance; whatever is farther is in the last one. An encoder has half of all buckets for keys after the query.
 *
 * @see transformers `T5Attention._relative_position_bucket`
 */
import type { Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"

/** Buckets of relative positions. */
export interface Buckets {
  readonly count: number
  readonly maxDistance: number
  /** whether keys after the query have separate buckets; false: they share that of the query's own position */
  readonly bothWays: boolean
}

/** Returns the bucket of a distance, the position of the key minus that of the query. */
export const bucketOf = (distance: number, { count, maxDistance, bothWays }: Buckets): number => {
  const perDirection = bothWays ? Math.floor(count / 2) : count
  const first = bothWays && distance > 0 ? perDirection : 0
  const far = bothWays ? Math.abs(distance) : Math.max(0, -distance)
  const exact = Math.floor(perDirection / 2)
  if (far < exact) return first + far
  // in float32 and in this order: a distance on the border of two ranges is then in the one that PyTorch puts it in
  const logarithm = Math.fround(Math.log(Math.fround(far / exact)))
  const share = Math.fround(logarithm / Math.fround(Math.log(maxDistance / exact)))
  return first + Math.min(perDirection - 1, exact + Math.trunc(Math.fround(share * (perDirection - exact))))
}

/** Positions of queries and keys. */
export interface Places {
  readonly queries: number
  readonly keys: number
  /** position of the first query */
  readonly from: number
}

/** Looks up the bias of the scores [heads, queries, keys] in the table [buckets, heads]; keys begin at position 0. Tensor code. */
export const relativeBias = (table: Tensor2D, buckets: Buckets, { queries, keys, from }: Places): Tensor3D => {
  const ofDistance = Int32Array.from({ length: queries + keys }, (_, i) => bucketOf(i - from - queries, buckets))
  const ids = new Int32Array(queries * keys)
  for (let query = 0; query < queries; query++)
    ids.set(ofDistance.subarray(queries - query, queries - query + keys), query * keys)
  const heads = table.shape[1]
  // the table is turned rather than what is gathered, which is larger
  const rows = tf.gather(tf.transpose(table), tf.tensor1d(ids, "int32"), 1)
  return tf.reshape(rows, [heads, queries, keys])
}
