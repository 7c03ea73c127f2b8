/**
 * The gradient of a weight that is never formed: a linear layer computes with some W′ (W + s·BA, a packed W, …), and what is wanted
 * is g = ∂L/∂W′ [out, in].
 *
 *   y = xW′ᵀ = xW′ᵀ + xZᵀ with Z = 0,  so that  ∂L/∂W′ = ∂L/∂Z = dyᵀx
 *
 * Nothing is computed in the forward pass, which keeps its bits; the backward pass does one product more. Whatever adapts the layer
 * may stand before it.
 *
 * Shapes: x [tokens, in], y [tokens, out], Z [out, in]. At an embedding x is int32 [tokens, 1], which stands for one-hot rows: the product
 * is then a sum of the rows of dy over the tokens that named a column.
 */
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { addNode, isRecording, observe } from "./tape.ts"

/**
 * y again, on which the loss depends through Z as if a weight Z of value 0 were added to the one that made y of x. The values of Z are
 * not read: handles of one tensor serve any number of layers of its shape.
 *
 * @example
 * const { gradients } = valueAndGradients(() => loss(weightTap(x, linear(x), Z)), [Z])
 */
export const weightTap = (x: Tensor2D, y: Tensor2D, Z: Tensor2D): Tensor2D => {
  if (!isRecording()) return y
  // handles of the same data; the node below is what the tape says of them
  const through = observe(() => tf.clone(y)).value
  const seen = tf.keep(observe(() => tf.clone(x)).value)
  addNode({
    kernelName: "WeightTap",
    inputs: { y, Z },
    outputs: [through],
    saved: [seen],
    gradient: ([dy]) => ({ y: () => dy!, Z: () => weightGradient(dy as Tensor2D, seen, Z.shape[1]) })
  })
  return through
}

const weightGradient = (dy: Tensor2D, x: Tensor2D, inputs: number): Tensor2D =>
  x.dtype === "int32"
    ? tf.transpose(tf.unsortedSegmentSum(dy, tf.reshape<tf.Rank.R1>(x, [x.size]), inputs) as Tensor2D)
    : tf.matMul(dy, x, true, false)
