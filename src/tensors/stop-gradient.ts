/** A part of a function that its gradient takes for a constant (JAX's `stop_gradient`, PyTorch's `detach`). */
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"

/**
 * f(), which the tape sees as a tensor that depends on nothing. Tensor code; of what `f` makes, only its result stays.
 *
 * To tfjs it is an operation with no inputs whose gradient is asked for nothing: what runs inside of one is never recorded.
 */
export const stopGradient = <T extends Tensor>(f: () => T): T =>
  tf.customGrad<T>(() => ({ value: f(), gradFunc: () => [] }))()
