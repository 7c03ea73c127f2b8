/**
 * Multi-head attention of queries to keys of any number, with a bias on the scores and no scale:
 *
 *   S = QKᵀ + bias        P = softmax(S)        O = PV                    per text and head
 *
 * Shapes: q, O [texts·queries, heads·d]; k, v [texts·keys, heads·d]; bias broadcast to S [texts, heads, queries, keys].
 */
import type { Tensor, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"

interface Shape {
  readonly texts: number
  readonly heads: number
}

/** Gradients for q, k, v and bias. */
export const biasedAttention = (
  q: Tensor2D,
  k: Tensor2D,
  v: Tensor2D,
  bias: Tensor,
  { texts, heads }: Shape
): Tensor2D =>
  tf.tidy(() => {
    const [, width] = q.shape
    const byHead = (x: Tensor2D): Tensor4D =>
      tf.transpose(tf.reshape(x, [texts, x.shape[0] / texts, heads, width / heads]), [0, 2, 1, 3])
    const scores = tf.add(tf.matMul(byHead(q), byHead(k), false, true), bias)
    const mixed = tf.matMul(tf.softmax(scores), byHead(v))
    return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), q.shape)
  })
