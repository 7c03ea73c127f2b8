/**
 * Layer normalization over the last axis, as one kernel.
 *
 *   x̂ = (x − mean x)·r,  r = 1/√(var x + ε)        y = γ·x̂ + β
 *   dx = r·(dŷ − mean dŷ − x̂·mean(dŷ·x̂)),  dŷ = γ·dy        dγ = Σ dy·x̂        dβ = Σ dy
 *
 * Saved: x̂ [tokens, n], r [tokens, 1] and γ. x̂ rather than x: equally large, and the backward pass needs no second
 * normalization. mean and sum over rows of dŷ are products with γ/n: one matrix product in place of two passes.
 *
 * The variance is the mean square of the centred values (never E[x²] − (E x)², which cancels).
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { inPlaceOf } from "../tensors/in-place-of.ts"
import { defineKernel } from "./kernel.ts"

type Input = "x" | "gamma" | "beta"

const kernel = defineKernel<Input, { readonly epsilon: number }>({
  name: "LayerNorm",
  reference: ({ x, gamma, beta }, { epsilon }) => {
    const centred = tf.sub(x, tf.mean(x, -1, true))
    const variance = inPlaceOf(tf.mul(centred, centred), (square) => tf.mean(square, -1, true))
    const r = tf.rsqrt(tf.add(variance, epsilon))
    const normalized = inPlaceOf(centred, (c) => tf.mul(c, r))
    return [inPlaceOf(tf.mul(normalized, gamma), (scaled) => tf.add(scaled, beta)), normalized, r]
  },
  inputsToSave: ["gamma"],
  outputsToSave: [false, true, true],
  gradient: ([dy], [gamma, normalized, r]) => ({
    x: () => backward(dy!, gamma!, normalized!, r!),
    gamma: () => tf.sum(tf.mul(dy!, normalized!), 0),
    beta: () => tf.sum(dy!, 0)
  })
})

const backward = (dy: Tensor, gamma: Tensor, normalized: Tensor, r: Tensor): Tensor => {
  const column = tf.reshape(tf.mul(gamma, 1 / gamma.size), [-1, 1])
  const mean = tf.matMul(dy as Tensor2D, column as Tensor2D) // mean dŷ
  const slope = inPlaceOf(tf.mul(dy, normalized), (product) => tf.matMul(product as Tensor2D, column as Tensor2D))
  const along = tf.mul(normalized, slope)
  return inPlaceOf(
    inPlaceOf(
      inPlaceOf(tf.mul(dy, gamma), (scaled) => inPlaceOf(along, (a) => tf.sub(scaled, a))),
      (difference) => tf.sub(difference, mean)
    ),
    (difference) => tf.mul(difference, r)
  )
}

/** x [tokens, n], γ and β [n] → [tokens, n]; gradients for x, γ and β. */
export const layerNorm = (x: Tensor2D, gamma: Tensor1D, beta: Tensor1D, epsilon: number): Tensor2D => {
  const [y, normalized, r] = kernel({ x, gamma, beta }, { epsilon })
  tf.dispose([normalized!, r!]) // the tape holds its own handles
  return y as Tensor2D
}
