/** Layer kinds by the name that tfjs saves them under (`layer.getClassName()`). A kind that is not here is computed by its own `call`. */
import { convolution } from "./convolution.ts"
import { dense } from "./dense.ts"
import type { Layer, LayerKind } from "./layer.ts"

export const layerKinds: ReadonlyMap<string, LayerKind> = new Map(
  Object.entries({
    Dense: dense,
    Conv1D: convolution,
    Conv2D: convolution
  })
)

export const kindOf = (layer: Layer): LayerKind | undefined => layerKinds.get(layer.getClassName())
