/** Adam's equations as tfjs ops, each rounded on its own: what its kernels are held to, bit for bit where nothing is fused. */
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import type { AdamRates, Moved } from "../../../src/kernels/adam.ts"

/** Of one tensor. */
export const adamEquations = (g: Tensor, M: Tensor, V: Tensor, { b1, b2, c, e }: AdamRates): Moved<Tensor> =>
  tf.tidy(() => {
    const first = tf.add(tf.mul(M, b1), g)
    const second = tf.add(tf.mul(V, b2), tf.mul(g, g))
    return { u: tf.div(first, tf.add(tf.mul(tf.sqrt(second), c), e)), first, second }
  })
