/**
 * A `tf.LayersModel` as a graph: its layers with their paths, and its forward pass with the linear layers as an
 * argument.
 *
 * The graph is read from the model's own nodes, never changed. A layer that is used several times, be it in two models,
 * is one layer and has one path; a model inside a model has its layers under `name.`; sequential models are graphs as
 * well.
 */

import * as tf from "@tensorflow/tfjs-core"
import type { LayersModel, SymbolicTensor } from "@tensorflow/tfjs-layers"
import { addNode, isRecording, type Linear, observe, stopGradient, type Weights } from "../../tensors/index.ts"
import { configOf, type Layer, type Pass, type PlacedLayer } from "./layer.ts"
import { kindOf } from "./table.ts"

/** Returns whether a layer is a model, by its fields: `instanceof` would load all of tfjs to check a plan. */
export const isModel = (layer: Layer): layer is LayersModel => "layers" in layer && "inputLayers" in layer

/** Returns every layer once; models and wrappers are replaced by the layers that they contain. */
export const layersOf = (model: LayersModel): ReadonlyArray<PlacedLayer> => {
  const seen = new Set<Layer>()
  const placed = (layer: Layer, path: string): ReadonlyArray<PlacedLayer> => {
    if (seen.has(layer)) return []
    seen.add(layer)
    const parts = kindOf(layer)?.parts?.(layer, path)
    if (parts !== undefined) return parts.flatMap((part) => placed(part.layer, part.path))
    return isModel(layer) ? layer.layers.flatMap((inner) => placed(inner, `${path}.${inner.name}`)) : [{ layer, path }]
  }
  return model.layers.flatMap((layer) => placed(layer, layer.name))
}

type Shape = ReadonlyArray<number | null>

/**
 * Returns the shapes that a model computes, for each use of each layer, including layers in nested models; for a wrapper, the wrapper's own. The
 * first axis is the batch.
 */
export const shapesMade = (layer: Layer): ReadonlyArray<{ readonly layer: string; readonly shape: Shape }> =>
  isModel(layer)
    ? layer.layers.flatMap(shapesMade)
    : layer.inboundNodes.flatMap(({ outputShapes }) =>
        shapesIn(outputShapes).map((shape) => ({ layer: layer.name, shape }))
      )

const shapesIn = (shapes: Shape | ReadonlyArray<Shape>): ReadonlyArray<Shape> =>
  shapes.some(Array.isArray) ? (shapes as ReadonlyArray<Shape>) : [shapes as Shape]

/** Returns the number of values in one row; unknown axes count as 1. */
export const rowSize = (shape: Shape): number => shape.slice(1).reduce<number>((size, n) => size * (n ?? 1), 1)

/** What one forward pass of a model computes with. */
interface Computation {
  readonly paths: ReadonlyMap<Layer, string>
  readonly linear: Linear
  readonly weights: Weights
}

interface Value {
  readonly tensor: tf.Tensor
  readonly mask: tf.Tensor | null
}

/**
 * tfjs's executor hands one object to all layers of an execution and changes it as it goes: a layer without a mask of
 * its own gets that of the last layer that had one. A model's numbers are those it has there, so this does the same.
 */
interface Received {
  mask: tf.Tensor | null
}

/** Computes the outputs of a model. Tensor code: the caller's tidy owns every intermediate tensor. */
export const computed = (
  model: LayersModel,
  inputs: ReadonlyArray<tf.Tensor>,
  computation: Computation
): ReadonlyArray<tf.Tensor> => run(model, inputs, undefined, computation)

const run = (
  model: LayersModel,
  inputs: ReadonlyArray<tf.Tensor>,
  received: Received | undefined,
  computation: Computation
): ReadonlyArray<tf.Tensor> => {
  let passed = received
  const known = new Map<number, Value>()
  model.inputs.forEach(({ id }, i) => known.set(id, { tensor: inputs[i]!, mask: null }))
  const valueBehind = (symbolic: SymbolicTensor): Value => {
    const value = known.get(symbolic.id)
    if (value !== undefined) return value
    const { sourceLayer, inputs: from } = symbolic
    // in the order of tfjs's executor, on which `passed` depends
    const values = from.toReversed().map(valueBehind).toReversed()
    if (values.some(({ mask }) => mask !== null)) {
      passed ??= { mask: null }
      passed.mask = values[0]!.mask
    }
    const tensors = values.map(({ tensor }) => tensor)
    const outputs = outputsFrom(sourceLayer, tensors, passed ?? { mask: null }, computation)
    const mask = maskBehind(sourceLayer, values)
    outputsOf(symbolic).forEach(({ id }, i) => known.set(id, { tensor: outputs[i]!, mask }))
    return known.get(symbolic.id)!
  }
  return model.outputs.map((symbolic) => valueBehind(symbolic).tensor)
}

/** The symbolic outputs of the use of a layer that this one comes from. */
const outputsOf = (symbolic: SymbolicTensor): ReadonlyArray<SymbolicTensor> => {
  const node = symbolic.sourceLayer.inboundNodes.find(({ outputTensors }) =>
    outputTensors.some(({ id }) => id === symbolic.id)
  )
  return node?.outputTensors ?? [symbolic]
}

const outputsFrom = (
  layer: Layer,
  inputs: ReadonlyArray<tf.Tensor>,
  received: Received,
  computation: Computation
): ReadonlyArray<tf.Tensor> => {
  if (isModel(layer)) return run(layer, inputs, received, computation)
  const { paths, linear, weights } = computation
  const inner: Pass["inner"] = (innerLayer, into, mask) => outputsFrom(innerLayer, into, { mask }, computation)
  const pass: Pass = { linear, weights, mask: received.mask, inner }
  // a wrapper has no path: the layers in it have
  return kindOf(layer)?.call(layer, paths.get(layer) ?? "", inputs, pass) ?? layerCall(layer, inputs, received.mask)
}

/** The mask of a layer's outputs, which is none of the tape's business. */
const maskBehind = (layer: Layer, values: ReadonlyArray<Value>): tf.Tensor | null => {
  if (!layer.supportsMasking) return null
  const inputs = values.map(({ tensor }) => tensor)
  // tfjs's types want tensors where its layers take null
  const masks = values.map(({ mask }) => mask) as Array<tf.Tensor>
  let none = false
  const mask = stopGradient(() => {
    const mask = [layer.computeMask(inputs, masks)].flat()[0] as tf.Tensor | null | undefined
    none = mask === null || mask === undefined
    return mask ?? tf.scalar(0)
  })
  return none ? null : mask
}

/**
 * Where tfjs 4.22's gradient is not that of the layer, by class name: a part of a sentence, undefined where it is
 * right.
 */
const wrongGradients: Readonly<Record<string, (layer: Layer) => string | undefined>> = {
  MaxPooling3D: () => (tf.getBackend() === "wasm" ? "on wasm" : undefined),
  AveragePooling3D: (layer) =>
    configOf<{ readonly padding: string }>(layer).padding === "same" ? 'with padding "same"' : undefined
}

/**
 * A layer without a kind of its own: computed by tfjs's own `apply`, frozen, as tfjs's executor calls it at inference (no dropout, no batch
 * statistics). Its gradient is tfjs's; where that is known to be wrong, asking for it fails.
 */
const layerCall = (
  layer: Layer,
  inputs: ReadonlyArray<tf.Tensor>,
  mask: tf.Tensor | null
): ReadonlyArray<tf.Tensor> => {
  const callOptions = { training: false, ...(mask === null ? {} : { mask }) }
  const outputs = [layer.apply([...inputs], callOptions)].flat() as ReadonlyArray<tf.Tensor>
  const where = wrongGradients[layer.getClassName()]?.(layer)
  if (where === undefined) return outputs
  return outputs.map((y) => withoutGradient(y, wrongGradient(layer, where)))
}

const wrongGradient = (layer: Layer, where: string): string =>
  `layer ${layer.name}: tfjs's gradient of ${layer.getClassName()} is wrong ${where}; ` +
  "expected no trained layer before it"

/** y again; a gradient through it throws an Error with the sentence. */
const withoutGradient = (y: tf.Tensor, sentence: string): tf.Tensor => {
  if (!isRecording()) return y
  const through = observe(() => tf.clone(y)).value
  addNode({
    kernelName: "WithoutGradient",
    inputs: { y },
    outputs: [through],
    saved: [],
    gradient: () => ({
      y: () => {
        throw new Error(sentence)
      }
    })
  })
  return through
}
