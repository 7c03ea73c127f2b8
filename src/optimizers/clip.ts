/**
 * Clipping by the global norm, as in PyTorch: ‖g‖ over all trainable parameters, g ← g · min(1, max/(‖g‖ + 1e-6)).
 *
 * In a chain it comes first and sees the raw gradients. The factor stays on the device; the norm is kept in the
 * state as a scalar tensor, for the step report.
 */
import * as tf from "@tensorflow/tfjs-core"
import { scaled, squaredNorms } from "../kernels/index.ts"
import { type Trainable, tensorsOf, withTensors } from "../tensors/index.ts"
import type { Transform } from "./transform.ts"

/** State of `clipByGlobalNorm`. */
export type ClipState = {
  /** ‖g‖ of the last update before clipping, a scalar */
  readonly norm: tf.Tensor
}

// torch.nn.utils.clip_grad_norm_
const TORCH_EPSILON = 1e-6

/** Returns √Σg² over every tensor of a tree as a scalar tensor. An empty tree has norm 0. */
export const globalNorm = (tree: Trainable): tf.Scalar =>
  tf.tidy(() => tf.sqrt<tf.Scalar>(tf.sum(squaredNorms(tensorsOf(tree)))))

/** Scales all updates together so that their global norm is at most `maximum`, as PyTorch's clip_grad_norm_ does. */
export const clipByGlobalNorm = (maximum: number): Transform<ClipState> => ({
  init: () => ({ norm: tf.scalar(0) }),
  update: (updates) => {
    const norm = globalNorm(updates)
    const factor = tf.minimum<tf.Scalar>(tf.div(maximum, tf.add(norm, TORCH_EPSILON)), 1)
    return { updates: withTensors(updates, scaled(factor, tensorsOf(updates))), state: { norm } }
  }
})
