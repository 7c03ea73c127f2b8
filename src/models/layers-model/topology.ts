/**
 * A `tf.LayersModel` as a graph: its layers with their paths, and its forward pass with the linear layers as an argument.
 *
 * The graph is read from the model's own nodes, never changed. A layer that is used several times is one layer; a model inside a model
 * has the layers under `name.`; sequential models are graphs as well.
 */
import * as tf from "@tensorflow/tfjs"
import type { Linear, Weights } from "../../tensors/linear.ts"
import type { Layer, Pass } from "./layer.ts"
import { kindOf } from "./table.ts"

/** A layer and where it stands. */
export interface PlacedLayer {
  readonly layer: Layer
  readonly path: string
}

const isModel = (layer: Layer): layer is tf.LayersModel => layer instanceof tf.LayersModel

/** Every layer once, nested ones under the path of their model; models themselves are not among them. */
export const layersOf = (model: tf.LayersModel, within = ""): ReadonlyArray<PlacedLayer> => {
  const seen = new Set<Layer>()
  return model.layers.flatMap((layer) => {
    if (seen.has(layer)) return []
    seen.add(layer)
    const path = `${within}${layer.name}`
    return isModel(layer) ? layersOf(layer, `${path}.`) : [{ layer, path }]
  })
}

interface Value {
  readonly tensor: tf.Tensor
  readonly mask: tf.Tensor | null
}

/** Outputs of a model. Tensor code: every intermediate tensor is the caller's tidy's. */
export const computed = (
  model: tf.LayersModel,
  inputs: ReadonlyArray<tf.Tensor>,
  linear: Linear,
  weights: Weights
): ReadonlyArray<tf.Tensor> => run(model, "", inputs, [], linear, weights).map(({ tensor }) => tensor)

const run = (
  model: tf.LayersModel,
  within: string,
  inputs: ReadonlyArray<tf.Tensor>,
  masks: ReadonlyArray<tf.Tensor | null>,
  linear: Linear,
  weights: Weights
): ReadonlyArray<Value> => {
  const known = new Map<number, Value>()
  model.inputs.forEach(({ id }, i) => known.set(id, { tensor: inputs[i]!, mask: masks[i] ?? null }))
  const valueBehind = (symbolic: tf.SymbolicTensor): Value => {
    const found = known.get(symbolic.id)
    if (found !== undefined) return found
    const { sourceLayer, inputs: from, callArgs } = symbolic
    const values = from.map(valueBehind)
    const outputs = layerOutputs(sourceLayer, `${within}${sourceLayer.name}`, values, callArgs, linear, weights)
    const own = outputsOf(symbolic)
    own.forEach(({ id }, i) => known.set(id, outputs[i]!))
    return known.get(symbolic.id)!
  }
  return model.outputs.map(valueBehind)
}

/** The symbolic outputs of the use of a layer that this one comes from. */
const outputsOf = (symbolic: tf.SymbolicTensor): ReadonlyArray<tf.SymbolicTensor> => {
  const node = symbolic.sourceLayer.inboundNodes.find(({ outputTensors }) =>
    outputTensors.some(({ id }) => id === symbolic.id)
  )
  return node?.outputTensors ?? [symbolic]
}

const layerOutputs = (
  layer: Layer,
  path: string,
  values: ReadonlyArray<Value>,
  callArgs: object | undefined,
  linear: Linear,
  weights: Weights
): ReadonlyArray<Value> => {
  const inputs = values.map(({ tensor }) => tensor)
  const masks = values.map(({ mask }) => mask)
  if (isModel(layer)) return run(layer, `${path}.`, inputs, masks, linear, weights)
  const inner: Pass["inner"] = (other, at, into) =>
    layerOutputs(
      other,
      at,
      into.map((tensor) => ({ tensor, mask: null })),
      undefined,
      linear,
      weights
    ).map(({ tensor }) => tensor)
  const kind = kindOf(layer)
  const outputs =
    kind?.call(layer, path, inputs, { linear, weights, masks, inner }) ?? ownCall(layer, inputs, masks, callArgs)
  return outputs.map((tensor) => ({ tensor, mask: maskBehind(layer, inputs, masks) }))
}

/** As tfjs's own executor calls it, at inference: no dropout, no batch statistics. */
const ownCall = (
  layer: Layer,
  inputs: ReadonlyArray<tf.Tensor>,
  masks: ReadonlyArray<tf.Tensor | null>,
  callArgs: object | undefined
): ReadonlyArray<tf.Tensor> => {
  const masked = masks.some((mask) => mask !== null) ? { mask: masks[0] } : {}
  const kwargs = { ...callArgs, ...masked, training: false }
  return [layer.call([...inputs], kwargs)].flat()
}

const maskBehind = (
  layer: Layer,
  inputs: ReadonlyArray<tf.Tensor>,
  masks: ReadonlyArray<tf.Tensor | null>
): tf.Tensor | null => {
  if (!layer.supportsMasking) return null
  const one = inputs.length === 1
  // tfjs's types want tensors where its layers take null
  const given = (one ? masks[0] : [...masks]) as tf.Tensor | Array<tf.Tensor>
  const found = layer.computeMask(one ? inputs[0]! : [...inputs], given)
  return (Array.isArray(found) ? found[0] : found) ?? null
}
