/** Lifetimes of tensors within tensor code. */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"

/** Runs `tf.tidy` for any result: tfjs's type of containers is mutable, while trees of tensors here are read-only. */
export const tidy = <T>(f: () => T): T => tf.tidy(f as () => tf.TensorContainer) as T

/**
 * Computes f(x) and disposes x immediately.
 *
 * A chain of elementwise ops in one tidy holds every intermediate until the tidy ends; on wasm, whose memory never shrinks, new pages for a dozen
 * of them cost more than the arithmetic. Replacing each operand by its result keeps two alive. Only for tensors that the caller created, with the
 * tape off (in a kernel).
 */
export const inPlaceOf = <T extends Tensor>(x: Tensor, f: (x: T) => Tensor): Tensor => {
  const y = f(x as T)
  x.dispose()
  return y
}
