/** A model whose adapter brought a new head. Loaded with the first such adapter. */
import type { LayersModel } from "@tensorflow/tfjs-layers"
import { scoringLayer, withNewHead } from "../models/layers-model/index.ts"

/** Returns a copy of a model with a new head, and the head's layer, whose parameters come from an adapter. */
export const headedModel = (model: LayersModel, classes: number) => {
  const base = withNewHead(model, { classes, start: "zeros", seed: 0 })
  return { base, newHead: scoringLayer(base).layer }
}
