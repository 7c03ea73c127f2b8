/**
 * The contract of a layer kind: which linear maps are in a layer of a `tf.LayersModel`, which parameters, and how it is
 * computed when both are arguments. One file for each group of kinds; `table.ts` lists them.
 *
 * A kind without an entry is computed by the layer's own `call`, with its own weights, frozen; gradients flow through
 * it (`topology.ts`).
 *
 * Laws (test/laws/layers-model.laws.test.ts, over every kind):
 *  1. with the linear layers of the base, `call` gives what the layer's own `call` gives;
 *  2. `own(held(w)) = w` for every parameter, to the bit;
 *  3. `call` is pure: same input, same output, nothing of the layer is changed;
 *  4. gradients equal finite differences, of the parameters and of the input.
 */

import * as tf from "@tensorflow/tfjs-core"
import type { layers } from "@tensorflow/tfjs-layers"
import { clippedRelu } from "../../kernels/index.ts"
import type { Linear, LinearSite, Weights } from "../../tensors/index.ts"

/** A tfjs layer. */
export type Layer = layers.Layer

/** A layer and its path: the names of the models that contain it, then its own, `outer.inner`. */
export interface PlacedLayer {
  readonly layer: Layer
  readonly path: string
}

/** A parameter of a layer by its name in the network, such as `block1.conv.weight`. */
export interface LayerParameter {
  readonly name: string
  /** shape in the network; linear weights are [out, in] */
  readonly shape: ReadonlyArray<number>
  /** index of the weight in `layer.getWeights()` */
  readonly index: number
  /** Converts the weight from the layer's form to the network's. Tensor code; returns a new tensor or a handle of the same one. */
  readonly held: (weight: tf.Tensor) => tf.Tensor
  /** Converts the weight from the network's form to the layer's. */
  readonly layerForm: (held: tf.Tensor) => tf.Tensor
}

/** Context of a layer in one forward pass. */
export interface Pass {
  readonly linear: Linear
  readonly weights: Weights
  /** mask that tfjs's executor passes to the layer; null: none */
  readonly mask: tf.Tensor | null
  /** Computes a layer inside this one (a wrapper). */
  readonly inner: (layer: Layer, inputs: ReadonlyArray<tf.Tensor>, mask: tf.Tensor | null) => ReadonlyArray<tf.Tensor>
}

/** Support for a class of layers. */
export interface LayerKind<L extends Layer = Layer> {
  /** Returns the linear maps of the layer at `path`. Absent: none. */
  readonly sites?: (layer: L, path: string) => ReadonlyArray<LinearSite>
  /** Returns the parameters that can be adapted or trained directly. Absent: none. */
  readonly parameters?: (layer: L, path: string) => ReadonlyArray<LayerParameter>
  /** Returns the other weights that the forward pass reads and that are never trained (statistics). Absent: none. */
  readonly constants?: (layer: L, path: string) => ReadonlyArray<LayerParameter>
  /** Returns the layers inside a wrapper, which replace it. Absent: not a wrapper. */
  readonly parts?: (layer: L, path: string) => ReadonlyArray<PlacedLayer>
  /** Returns whether a layer of the class is of this kind; others are computed by their own `call`. Absent: every layer of the class is. */
  readonly takes?: (layer: L) => boolean
  /** Computes outputs from inputs. Tensor code. */
  readonly call: (layer: L, path: string, inputs: ReadonlyArray<tf.Tensor>, pass: Pass) => ReadonlyArray<tf.Tensor>
}

/** Returns fields of `layer.getConfig()` with a type. */
export const configOf = <T extends object>(layer: Layer): T => layer.getConfig() as unknown as T

/** An activation of tfjs. */
export interface Activation {
  readonly apply: (x: tf.Tensor) => tf.Tensor
  readonly getClassName: () => string
}

/** y after the layer's own activation, if it has one. */
export const activated = (layer: Layer, y: tf.Tensor): tf.Tensor => {
  const { activation } = layer as unknown as { readonly activation?: Activation | null }
  // the same function, with a gradient in one piece
  if (activation?.getClassName() === "relu6") return clippedRelu(y, 6)
  return activation?.apply(y) ?? y
}

/** Returns a parameter that is stored unchanged. */
export const asItIs = (name: string, index: number, shape: ReadonlyArray<number>): LayerParameter => ({
  name,
  shape,
  index,
  held: (weight) => weight,
  layerForm: (held) => held
})

/** Returns a kernel [...in, out] as W [out, in], one row per output. */
export const kernelAsMatrix = (name: string, index: number, shape: ReadonlyArray<number>): LayerParameter => {
  const out = shape.at(-1)!
  const inputs = tf.util.sizeFromShape(shape.slice(0, -1))
  return {
    name,
    shape: [out, inputs],
    index,
    held: (weight) => tf.transpose(tf.reshape(weight, [inputs, out])),
    layerForm: (held) => tf.reshape(tf.transpose(held), [...shape])
  }
}

/** Returns the shapes of a layer's weights, in order. */
export const weightShapes = (layer: Layer): ReadonlyArray<ReadonlyArray<number>> =>
  layer.weights.map(({ shape }) => shape as ReadonlyArray<number>)

/** Returns the index of a weight in `layer.getWeights()` by the name that its class gave it; −1: none. */
export const indexOf = (layer: Layer, name: string): number =>
  layer.weights.findIndex(({ originalName }) => originalName.split("/").at(-1) === name)

/** Layout of images; tfjs transposes images with channels first before it computes, and transposes the result back. */
export interface DataFormat {
  readonly dataFormat?: "channelsLast" | "channelsFirst" | "channels_last" | "channels_first"
}

const isFirst = ({ dataFormat = "channelsLast" }: DataFormat): boolean => /first/i.test(dataFormat)

const range = (from: number, to: number): Array<number> => Array.from({ length: to - from }, (_, i) => from + i)

/** Transposes [batch, channels, …] to [batch, …, channels] if channels are first. */
export const channelsLast = (x: tf.Tensor, format: DataFormat): tf.Tensor =>
  isFirst(format) ? tf.transpose(x, [0, ...range(2, x.rank), 1]) : x

/** Transposes a result back to the format. */
export const inFormat = (y: tf.Tensor, format: DataFormat): tf.Tensor =>
  isFirst(format) ? tf.transpose(y, [0, y.rank - 1, ...range(1, y.rank - 1)]) : y
