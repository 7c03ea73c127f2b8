/** Lifetimes of tensors within tensor code. */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"

/** `tf.tidy` for any result: tfjs types the container as mutable, ours are read-only trees of tensors. */
export const tidy = <T>(f: () => T): T => tf.tidy(f as () => tf.TensorContainer) as T

/**
 * f(x), with x given back to the backend at once.
 *
 * A chain of elementwise ops inside one tidy holds every intermediate until the tidy ends; on wasm, whose memory never shrinks,
 * a dozen of them cost more in fresh pages than in arithmetic. Passing each result on in place of its operand keeps two alive.
 * Only for tensors that the caller made, with the tape off (inside a kernel).
 */
export const inPlaceOf = <T extends Tensor>(x: Tensor, f: (x: T) => Tensor): Tensor => {
  const y = f(x as T)
  x.dispose()
  return y
}
