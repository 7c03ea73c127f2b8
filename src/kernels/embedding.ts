/**
 * Rows of a table, W[:, ids]ᵀ: what a linear layer computes of one-hot rows, without the rows.
 *
 * The table is a linear weight, W [out, in], as everywhere; it is turned over here, since rows are what can be gathered. Gradients
 * reach W, as sums over the places that named a row.
 */
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"

/** ids int32 [tokens, 1], W [out, in] → [tokens, out]. */
export const embedded = (ids: Tensor2D, W: Tensor2D): Tensor2D =>
  tf.gather(tf.transpose(W), tf.reshape<tf.Rank.R1>(tf.cast(ids, "int32"), [ids.size])) as Tensor2D
