/**
 * An adapted linear layer: y = xWᵀ + bias + s·(xAᵀ)Bᵀ, with W and bias frozen.
 *
 * W + s·BA is never formed, and neither is dW: the forward pass costs one product with W and two thin ones, the backward pass
 * the same for dx and two thin ones for the factors. Kept for it: x (which the layer before holds anyway) and h = xAᵀ.
 *
 *   dh = s·dy·B    dx = dy·W + dh·A    dA = dhᵀx    dB = s·dyᵀh
 *
 * Shapes: x [tokens, in], W [out, in], A [r, in], B [out, r], h [tokens, r].
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { defineKernel } from "./kernel.ts"

type Input = "x" | "W" | "A" | "B"

const adapted = defineKernel<Input, { readonly scale: number }>({
  name: "LoraLinear",
  reference: ({ x, W, A, B }, { scale }) => {
    const h = tf.matMul(x, A, false, true)
    // s is folded into B, the smallest operand
    return [tf.add(tf.matMul(x, W, false, true), tf.matMul(h, tf.mul(B, scale), false, true)), h]
  },
  inputsToSave: ["x", "W", "A", "B"],
  outputsToSave: [false, true],
  gradient: ([dy], [x, W, A, B, h], { scale }) => {
    const dh = () => tf.matMul(dy!, tf.mul(B!, scale))
    return {
      x: () => tf.add(tf.matMul(dy!, W!), tf.matMul(dh(), A!)),
      A: () => tf.matMul(dh(), x!, true, false),
      B: () => tf.matMul(dy!, tf.mul(h!, scale), true, false)
    }
  }
})

/** x [tokens, in] → [tokens, out]; gradients for x, A and B. */
export const loraLinear = (
  x: Tensor2D,
  W: Tensor2D,
  bias: Tensor1D | null,
  A: Tensor2D,
  B: Tensor2D,
  scale: number
): Tensor2D => {
  const y = adapted({ x, W, A, B }, { scale })[0] as Tensor2D
  return bias === null ? y : tf.add(y, bias)
}
