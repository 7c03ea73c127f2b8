/**
 * Identity on the wasm backend without a copy, as tfjs' other backends do it: the clone shares the buffer, which lives until
 * the last of them is disposed. tfjs copies here; and since its tape clones every tensor that a gradient will need, a training
 * step copied all its activations, and all its frozen weights.
 *
 * Safe because no kernel of the backend writes into its inputs, but `kernels/put-rows.ts`, whose caller has no clone.
 */
import type { Kernel } from "./wasm-backend.ts"

export const identityKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const { dataId, shape, dtype } = call.inputs["x"]!
    if (dtype === "string") return stock(call)
    call.backend.incRef(dataId)
    return { dataId, shape, dtype }
  }
