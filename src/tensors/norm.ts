/** Norms of trees, as tensors: nothing here reads the device. */
import type { Scalar, Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"

/**
 * Σ t², summed row by row and then over the rows: a running float32 sum over a million entries loses digits that two sums of a
 * thousand do not (tfjs's wasm backend sums in order).
 */
export const squaredNorm = (tensor: Tensor): Scalar =>
  tf.tidy(() => {
    const rows = tf.sum(tf.square(tf.reshape(tensor, [-1, tensor.shape.at(-1) ?? 1])), 1)
    return tf.sum(rows)
  })
