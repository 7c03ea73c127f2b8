/** Losses: logits and labels → a scalar, the mean over the rows of the batch. Synchronous tensor code. */
import type { Scalar, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"

/** logits [batch, classes], labels int32 [batch] → scalar */
export type Loss = (logits: Tensor2D, labels: Tensor1D) => Scalar

/** Mean of log Σⱼ exp zⱼ − z_label. `logSumExp` subtracts the row's maximum, so large logits do not overflow. */
export const crossEntropy: Loss = (logits, labels) => {
  // not tf.oneHot, which refuses a single class: rows of one class are a warning, not a failure
  const own = tf.equal(tf.expandDims(labels, 1), tf.range(0, logits.shape[1], 1, "int32"))
  const picked = tf.sum(tf.mul(logits, tf.cast(own, "float32")), 1)
  return tf.mean(tf.sub(tf.logSumExp(logits, 1), picked))
}
