/**
 * Everything that kernels run on a GPU, as one module. A third of a page's own code is this, and a page without a GPU never runs it: so
 * kernels reach it through `loaded.ts`, and nothing but the webgpu device imports it.
 */
export { attentionGradientOnWebgpu, attentionOnWebgpu } from "./attention.ts"
export { crossEntropyBackwardOnWebgpu, crossEntropyOnWebgpu } from "./cross-entropy.ts"
export { dequantizeOnWebgpu } from "./dequantize.ts"
export { columnSumsOnWebgpu, elementwiseOnWebgpu, listOnWebgpu, rowsOnWebgpu } from "./expression.ts"
export {
  headLossOnWebgpu,
  headWeightGradientOnWebgpu,
  tokenScoresOnWebgpu
} from "./linear-cross-entropy.ts"
export { squaredNormsOnWebgpu } from "./lists.ts"
export { loraLayersOnWebgpu } from "./lora-layers.ts"
export { directionsOnWebgpu } from "./lora-pro.ts"
export { adamMovesOnWebgpu } from "./lora-pro-adam.ts"
export { MOST_RANK } from "./pair-tiles.ts"
export { multiply as multiplyOnWebgpu } from "./product.ts"
export { putRowsOnWebgpu } from "./put-rows.ts"
export { ropeOnWebgpu } from "./rope.ts"
export { canWhitenOnWebgpu, whitenOnWebgpu } from "./whitening.ts"
