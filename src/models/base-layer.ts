/** The linear layers of a model as they are, with nothing adapted. */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import { dequantized, embedded, frozenLinear } from "../kernels/index.ts"
import type { FrozenMatrix, Linear, LinearSite } from "../tensors/index.ts"
import type { Network } from "./model.ts"

/** Returns a layer's frozen W [out, in] and bias [out]; the bias is null if the layer has none. */
export const baseLayer = (
  { weights, packed }: Pick<Network, "weights" | "packed">,
  site: LinearSite
): {
  /** weight `[out, in]`; packed if the plan has `model.weights` */
  readonly W: FrozenMatrix
  /** bias `[out]`; null: the layer has none */
  readonly bias: Tensor1D | null
} => {
  const name = `${site.name}.weight`
  const W: FrozenMatrix = packed?.get(name) ?? (weights(name) as Tensor2D)
  return { W, bias: site.bias === false ? null : (weights(`${site.name}.bias`) as Tensor1D) }
}

/** Returns the base model's linear layers: x [rows, in] → xWᵀ + bias [rows, out]. For an embedding, x contains ids. */
export const baseLinear =
  (model: Pick<Network, "weights" | "packed">): Linear =>
  (site, x) => {
    const { W, bias } = baseLayer(model, site)
    return site.kind === "embedding" ? embedded(x, dequantized(W)) : frozenLinear(x, W, bias)
  }
