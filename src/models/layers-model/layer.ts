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

/** A layer of tfjs. */
export type Layer = layers.Layer

/** A layer and its path: its name after those of the models that it is in, `outer.inner`. */
export interface PlacedLayer {
  readonly layer: Layer
  readonly path: string
}

/** A parameter of a layer under the name that it has in the network, e.g. `block1.conv.weight`. */
export interface LayerParameter {
  readonly name: string
  /** as the network holds it; linear weights [out, in] */
  readonly shape: ReadonlyArray<number>
  /** which of the layer's own weights it is: an index into `layer.getWeights()` */
  readonly index: number
  /** the layer's own form → the network's. Tensor code; a new tensor or a handle of the same */
  readonly held: (own: tf.Tensor) => tf.Tensor
  /** and back */
  readonly own: (held: tf.Tensor) => tf.Tensor
}

/** Context of a layer in one forward pass. */
export interface Pass {
  readonly linear: Linear
  readonly weights: Weights
  /** what tfjs's executor hands the layer as its mask; null: nothing */
  readonly mask: tf.Tensor | null
  /** Computes a layer inside this one (a wrapper). */
  readonly inner: (layer: Layer, inputs: ReadonlyArray<tf.Tensor>, mask: tf.Tensor | null) => ReadonlyArray<tf.Tensor>
}

export interface LayerKind<L extends Layer = Layer> {
  /** Linear maps of the layer at `path`. Absent: none. */
  readonly sites?: (layer: L, path: string) => ReadonlyArray<LinearSite>
  /** What can be adapted, or trained itself. Absent: nothing. */
  readonly parameters?: (layer: L, path: string) => ReadonlyArray<LayerParameter>
  /** What else the forward pass reads of the layer's weights and is never trained (statistics). Absent: nothing. */
  readonly constants?: (layer: L, path: string) => ReadonlyArray<LayerParameter>
  /** Of a wrapper: the layers in it, which take its place. */
  readonly parts?: (layer: L, path: string) => ReadonlyArray<PlacedLayer>
  /** Layers of the class that are not of this kind, computed by their own `call`. Absent: every layer of the class is of this kind. */
  readonly takes?: (layer: L) => boolean
  /** Tensor code: outputs from inputs. */
  readonly call: (layer: L, path: string, inputs: ReadonlyArray<tf.Tensor>, pass: Pass) => ReadonlyArray<tf.Tensor>
}

/** What `layer.getConfig()` says of some fields. */
export const configOf = <T extends object>(layer: Layer): T => layer.getConfig() as unknown as T

/** An activation as tfjs holds it. */
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
  held: (own) => own,
  own: (held) => held
})

/** A kernel whose last axis is the outputs, [...in, out], held as W [out, in], a row for each output. */
export const kernelAsMatrix = (name: string, index: number, shape: ReadonlyArray<number>): LayerParameter => {
  const out = shape.at(-1)!
  const inputs = tf.util.sizeFromShape(shape.slice(0, -1))
  return {
    name,
    shape: [out, inputs],
    index,
    held: (own) => tf.transpose(tf.reshape(own, [inputs, out])),
    own: (held) => tf.reshape(tf.transpose(held), [...shape])
  }
}

/** The shapes of a layer's own weights, in their order. */
export const weightShapes = (layer: Layer): ReadonlyArray<ReadonlyArray<number>> =>
  layer.weights.map(({ shape }) => shape as ReadonlyArray<number>)

/** Index of a weight in `layer.getWeights()`, by the name that its class gave it; −1: none. */
export const indexOf = (layer: Layer, name: string): number =>
  layer.weights.findIndex(({ originalName }) => originalName.split("/").at(-1) === name)

/** Images with their channels first: tfjs transposes them before it computes, and back. */
export interface DataFormat {
  readonly dataFormat?: "channelsLast" | "channelsFirst" | "channels_last" | "channels_first"
}

const isFirst = ({ dataFormat = "channelsLast" }: DataFormat): boolean => /first/i.test(dataFormat)

const range = (from: number, to: number): Array<number> => Array.from({ length: to - from }, (_, i) => from + i)

/** [batch, channels, …] → [batch, …, channels], where the channels are first. */
export const channelsLast = (x: tf.Tensor, format: DataFormat): tf.Tensor =>
  isFirst(format) ? tf.transpose(x, [0, ...range(2, x.rank), 1]) : x

/** And back. */
export const inFormat = (y: tf.Tensor, format: DataFormat): tf.Tensor =>
  isFirst(format) ? tf.transpose(y, [0, y.rank - 1, ...range(1, y.rank - 1)]) : y
