/**
 * `inPlaceOf(x, f)`: f(x), with x given back to the backend at once.
 *
 * A chain of elementwise ops inside one tidy holds every intermediate until the tidy ends; on wasm, whose memory never shrinks,
 * a dozen of them cost more in fresh pages than in arithmetic. Passing each result on in place of its operand keeps two alive.
 * Only for tensors that the caller made, with the tape off (inside a kernel).
 */
import type { Tensor } from "@tensorflow/tfjs"

export const inPlaceOf = <T extends Tensor>(x: Tensor, f: (x: T) => Tensor): Tensor => {
  const y = f(x as T)
  x.dispose()
  return y
}
