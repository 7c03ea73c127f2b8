/**
 * Recomputation of activations (Chen et al. 2016, arXiv 1604.06174): memory for one more forward pass.
 *
 *   forward    y = f(x)             only y, and x where something before needs it, outlive the call
 *   backward   y = f(x) once more   on a tape, which is walked at once: dx, and dθ of every trained θ that f uses
 *
 * With f a transformer block, a step holds one hidden state [tokens, hidden] for each block and the activations of one block, rather
 * than those of all. The kernels, their operands and the order in which gradients are added are those of a pass without it, so
 * that every gradient has the same bits; x is kept as a second handle of the same data.
 *
 * Nobody says which θ a block uses: its first run is watched, and the tensors it reads from outside become the node's inputs. A
 * block that uses no θ after an x that depends on none is therefore not run again.
 */
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { addNode, isRecording, observe } from "./tape.ts"

/**
 * f(...inputs), run again in the backward pass of `valueAndGradients`; at once and no more than that where nothing is recorded.
 * `f` is pure. It gets as inputs what does not outlive the forward pass; weights and trained tensors it may simply use.
 *
 * @example const y = recomputed((x) => tf.tanh(tf.matMul(x, w)), x)
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
