/**
 * Functions with a gradient of their own kind, each as a node that they put on the tape:
 *
 *   recomputed     run again in the backward pass instead of kept: memory for one more forward pass
 *   weightTap      gives the gradient of a weight that is never formed
 *   stopGradient   a constant to the gradient
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { addNode, isRecording, observe } from "./tape.ts"

/**
 * Computes f(...inputs), and again in the backward pass of `valueAndGradients` (Chen et al. 2016, arXiv 1604.06174); only once if no tape
 * records. `f` is pure. Its inputs are the tensors that do not outlive the forward pass; it may use weights and trained tensors without naming
 * them.
 *
 *   forward    y = f(x)             only y, and x where something before needs it, outlive the call
 *   backward   y = f(x) once more   on a tape, which is walked at once: dx, and dθ of every trained θ that f uses
 *
 * With f a transformer block, a step holds one hidden state [tokens, hidden] for each block and the activations of one block, rather
 * than those of all. The kernels, their operands and the order in which gradients are added are those of a pass without it, so
 * that every gradient has the same bits; x is kept as a second handle of the same data.
 *
 * Which θ a block uses is found by observing its first run: the tensors that it reads from outside become the node's inputs. A
 * block that uses no θ after an x that depends on none is therefore not run again.
 *
 * @example
 * import * as tf from "@tensorflow/tfjs-core"
 * import { recomputed } from "./tape-nodes.ts"
 *
 * const hidden = (x: tf.Tensor2D, w: tf.Tensor2D) => recomputed((x: tf.Tensor2D) => tf.tanh(tf.matMul(x, w)), x)
 */
export const recomputed = <Inputs extends ReadonlyArray<Tensor>, T extends Tensor>(
  f: (...inputs: Inputs) => T,
  ...inputs: Inputs
): T => {
  if (!isRecording()) return f(...inputs)
  const { value, read } = observe(() => f(...inputs))
  // what f only passes on has its place on the tape already
  if (read.length === 0 || [...inputs, ...read].some(({ id }) => id === value.id)) return value
  const copies = inputs.map((input) => tf.keep(tf.clone(input)))
  addNode({
    kernelName: "Recomputed",
    inputs: Object.fromEntries([...new Set([...inputs, ...read])].map((tensor) => [tensor.id, tensor])),
    outputs: [value],
    saved: copies,
    again: { run: () => f(...(copies as unknown as Inputs)), inputs, copies }
  })
  return value
}

/**
 * Returns y unchanged, and makes Z receive the gradient of the weight that maps x to y, even if that weight is never formed. A linear layer
 * computes with some W′ (W + s·BA, a packed W, …), and the result is g = ∂L/∂W′ [out, in].
 *
 *   y = xW′ᵀ = xW′ᵀ + xZᵀ with Z = 0,  so that  ∂L/∂W′ = ∂L/∂Z = dyᵀx
 *
 * Nothing is computed in the forward pass, which keeps its bits; the backward pass does one product more. The values of Z are not
 * read: handles of one tensor serve any number of layers of its shape.
 *
 * Shapes: x [tokens, in], y [tokens, out], Z [out, in]. At an embedding x is int32 [tokens, 1], the indices of one-hot rows: the
 * product is then a sum of the rows of dy over the tokens that named a column.
 *
 * @example
 * import * as tf from "@tensorflow/tfjs-core"
 * import { valueAndGradients } from "./gradients.ts"
 * import { weightTap } from "./tape-nodes.ts"
 *
 * // ∂/∂W [out, in] of the mean of x Wᵀ, x [rows, in], without W among what is derived by.
 * const gradientOf = (x: tf.Tensor2D, W: tf.Tensor2D) => {
 *   const Z = tf.zerosLike(W)
 *   const mean = () => tf.mean<tf.Scalar>(weightTap(x, tf.matMul(x, W, false, true), Z))
 *   return valueAndGradients(mean, [Z]).gradients
 * }
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

/**
 * Computes f(), whose result is a constant to the tape (JAX's `stop_gradient`, PyTorch's `detach`). Tensor code; only the result of `f` is kept.
 *
 * To tfjs it is an operation without inputs and gradients, inside of which nothing is recorded.
 */
export const stopGradient = <T extends Tensor>(f: () => T): T =>
  tf.customGrad<T>(() => ({ value: f(), gradFunc: () => [] }))()
