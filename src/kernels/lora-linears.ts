/**
 * Adapted linear layers that read one input, as one kernel on a GPU: attention's q, k and v, or one layer by itself. With x once more, for
 * what reads it after them (a residual branch), so that the gradients of x meet in the product that makes theirs:
 *
 *   y_i = xW_iᵀ + bias_i + s·h_iB_iᵀ      h_i = xA_iᵀ      x′ = x
 *   dh_i = s·dy_i·B_i     dx = Σ_i (dy_i·W_i + dh_i·A_i) + dx′     dA_i = dh_iᵀx     dB_i = s·dy_iᵀh_i
 *
 * Shapes: x [tokens, in], W [out, in], A [r, in], B [out, r]; all layers have the same. On other devices each layer is a kernel of its own
 * (`lora-linear.ts`), with the order of sums that it has there.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { FannedOut } from "../tensors/index.ts"
import type { LoraLayer, LoraLinearsOptions } from "./lora-layer.ts"
import { webgpuEngineOf } from "./webgpu/engine.ts"
import { programs } from "./webgpu/loaded.ts"

/**
 * Computes y of each layer from the same x, and returns x too; gradients for x, and for A and B of each layer. Undefined if the layers must be
 * computed one by one.
 */
export const loraLinears = (
  x: Tensor2D,
  layers: ReadonlyArray<LoraLayer>,
  options: LoraLinearsOptions = {}
): FannedOut | undefined => {
  const engine = tf.getBackend() === "webgpu" ? webgpuEngineOf(tf.backend()) : undefined
  return engine === undefined ? undefined : programs().loraLayersOnWebgpu(engine, x, layers, options)
}
