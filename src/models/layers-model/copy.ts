/** Models of the same structure as another, with weights of their own. */

import type * as tf from "@tensorflow/tfjs-core"
import type { LayersModel, layers } from "@tensorflow/tfjs-layers"
import { isModel } from "./topology.ts"

/** tfjs's variable of a layer, whose `read` returns the `tf.Variable` itself. */
export type LayerVariable = layers.Layer["weights"][number]

/** Returns every variable of a model's layers once, in order. */
export const variablesOf = (model: LayersModel): ReadonlyArray<LayerVariable> => [
  ...new Set(model.layers.flatMap((layer) => (isModel(layer) ? variablesOf(layer) : layer.weights)))
]

/** A layer in a model's `getConfig`. */
export interface LayerStructure {
  readonly className: string
  readonly config: { name: string; layers?: ReadonlyArray<LayerStructure>; [field: string]: unknown }
}

/** Result of a model's `getConfig`. */
export interface ModelStructure {
  readonly layers: ReadonlyArray<LayerStructure>
}

interface FromConfig {
  // named as in tfjs: `fastWeightInit` starts weights at 0 instead of drawing them
  readonly fromConfig: (cls: unknown, config: object, customObjects: object, fastWeightInit: boolean) => LayersModel
}

/** Creates a model with the structure of another, after `change` if it is given; its weights are 0. Throws tfjs's errors. */
export const sameStructure = (base: LayersModel, change?: (structure: ModelStructure) => void): LayersModel => {
  const cls = base.constructor as unknown as FromConfig
  const structure = JSON.parse(JSON.stringify(base.getConfig())) as ModelStructure
  change?.(structure)
  return cls.fromConfig(cls, structure, {}, true)
}

/** Assigns a value to a variable, without the layer's constraint, which is for training. */
export const assign = (variable: LayerVariable, value: tf.Tensor): void =>
  void (variable.read() as tf.Variable).assign(value as tf.Tensor)
