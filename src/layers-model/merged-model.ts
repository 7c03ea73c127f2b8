/**
 * Merges an adapter into a `tf.LayersModel`: a new model of the same topology with its own weights, W + s·BA in place of
 * W. It works with all of tfjs's model functions; the user's model does not change.
 *
 * The copy has the names of the original's layers and weights, and is compiled like the original, with an optimizer of
 * its own that starts from its initial state. Layers of custom classes are copied if their class is registered
 * (`tf.serialization.registerClass`), as for loading.
 */
import type * as tf from "@tensorflow/tfjs-core"
import type * as tfl from "@tensorflow/tfjs-layers"
import type { Adapted } from "../../adapters/index.ts"
import { messageOf } from "../boundary/index.ts"
import {
  assign,
  type Layer,
  type LayersNetwork,
  type LayerVariable,
  sameStructure,
  variablesOf
} from "../models/layers-model/index.ts"
import { tidy } from "../tensors/index.ts"
import { adaptError } from "./errors.ts"

/** A copy of a model, and its variables. */
export interface ModelCopy {
  readonly model: tfl.LayersModel
  /** maps each variable of the original to its counterpart in the copy */
  readonly counterpart: ReadonlyMap<LayerVariable, LayerVariable>
}

/** Returns a model of the same topology with copies of the weights. Throws an AdaptError if tfjs cannot create one. */
export const copyOf = (base: tfl.LayersModel): ModelCopy => {
  const model = copied(base)
  const [from, to] = [variablesOf(base), variablesOf(model)]
  const differs = from.length !== to.length || from.some(({ shape }, i) => `${shape}` !== `${to[i]!.shape}`)
  if (differs) {
    model.dispose()
    throw adaptError(
      base.name,
      "its copy has weights of other shapes: the getConfig of some layer does not return everything that its build uses"
    )
  }
  from.forEach((variable, i) => assign(to[i]!, variable.read()))
  compileLike(model, base)
  return { model, counterpart: new Map(from.map((variable, i) => [variable, to[i]!])) }
}

const copied = (base: tfl.LayersModel): tfl.LayersModel => {
  try {
    return sameStructure(base)
  } catch (cause) {
    const reason = messageOf(cause)
    throw adaptError(base.name, `tfjs cannot copy it (${reason}); custom classes need tf.serialization.registerClass`)
  }
}

/** Loss and metrics as they were given, and an optimizer of the same kind and settings. */
const compileLike = (model: tfl.LayersModel, base: tfl.LayersModel): void => {
  const { loss, metrics, optimizer } = base
  if (optimizer === undefined || optimizer === null) return
  const cls = optimizer.constructor as unknown as {
    readonly fromConfig: (cls: unknown, config: object) => tf.Optimizer
  }
  model.compile({
    optimizer: cls.fromConfig(cls, optimizer.getConfig()),
    loss: loss as tfl.ModelCompileArgs["loss"],
    metrics: metrics as NonNullable<tfl.ModelCompileArgs["metrics"]>
  })
  // tfjs disposes an optimizer with its model only where it made it itself; this one belongs to the copy alone
  ;(model as unknown as { isOptimizerOwned: boolean }).isOptimizerOwned = true
}

/** Parameters that an adapter changes, by name, in the layers' own form. Tensor code. */
const changedParameters = (adapted: Adapted<LayersNetwork>): ReadonlyMap<string, tf.Tensor> => {
  const { trainable } = adapted
  const known = new Set(adapted.model.layerParameters.map(({ name }) => name))
  const trained = trainable.dense.flatMap(({ name, value }) => (known.has(name) ? [[name, value] as const] : []))
  const sites = adapted.sites.map((site) => [`${site.name}.weight`, adapted.merged(site, trainable)] as const)
  return new Map<string, tf.Tensor>([...trained, ...sites])
}

/** Writes the weights of the base with an adapter merged in (null: of the base itself) to a copy. */
export const writeMerged = (
  { counterpart }: ModelCopy,
  network: LayersNetwork,
  adapted: Adapted<LayersNetwork> | null
): void =>
  tidy(() => {
    const changed = adapted === null ? new Map<string, tf.Tensor>() : changedParameters(adapted)
    for (const { name, layer, index, layerForm } of network.layerParameters) {
      const original = variableOf(layer, index)
      const value = changed.get(name)
      assign(counterpart.get(original)!, value === undefined ? original.read() : layerForm(value))
    }
  })

const variableOf = (layer: Layer, index: number): LayerVariable => layer.weights[index]!
