/**
 * The contract of a layer kind: which linear maps are in a layer of a `tf.LayersModel`, which parameters, and how it is computed when
 * both are arguments. One file for each group of kinds; `table.ts` lists them.
 *
 * A kind without an entry is computed by the layer's own `call`, with its own weights, frozen; gradients flow through it.
 *
 * Laws (test/laws/layers-model.laws.test.ts, over every kind):
 *  1. with the linear layers of the base, `call` gives what the layer's own `call` gives;
 *  2. `own(held(w)) = w` for every parameter, to the bit;
 *  3. `call` is pure: same input, same output, nothing of the layer is changed.
 */
import type * as tf from "@tensorflow/tfjs"
import type { Linear, LinearSite, Weights } from "../../tensors/linear.ts"

export type Layer = tf.layers.Layer

/** A parameter of a layer under the name that it has in the network, e.g. `block1.conv.weight`. */
export interface LayerParameter {
  readonly name: string
  /** as the network holds it; linear weights [out, in] */
  readonly shape: ReadonlyArray<number>
  /** which of the layer's own weights it is: a place in `layer.getWeights()` */
  readonly index: number
  /** the layer's own form → the network's. Tensor code; a new tensor or a handle of the same */
  readonly held: (own: tf.Tensor) => tf.Tensor
  /** and back */
  readonly own: (held: tf.Tensor) => tf.Tensor
}

/** What a layer is computed with, in one forward pass. */
export interface Pass {
  readonly linear: Linear
  readonly weights: Weights
  /** one handle for each input, null where there is no mask */
  readonly masks: ReadonlyArray<tf.Tensor | null>
  /** Computes a layer inside this one (wrappers, nested models) under its own path. */
  readonly inner: (layer: Layer, path: string, inputs: ReadonlyArray<tf.Tensor>) => ReadonlyArray<tf.Tensor>
}

export interface LayerKind<L extends Layer = Layer> {
  /** Linear maps of the layer. `path`: where it stands, its name or `nested.name`. */
  readonly sites: (layer: L, path: string) => ReadonlyArray<LinearSite>
  readonly parameters: (layer: L, path: string) => ReadonlyArray<LayerParameter>
  /** Tensor code: outputs from inputs. */
  readonly call: (layer: L, path: string, inputs: ReadonlyArray<tf.Tensor>, pass: Pass) => ReadonlyArray<tf.Tensor>
}

/** What `layer.getConfig()` says of some fields. Throws where a field is not what tfjs writes there: that is a bug here. */
export const configOf = <T extends object>(layer: Layer): T => layer.getConfig() as unknown as T

/** The layer's activation as tfjs holds it: an object with `apply`. */
export const activated = (layer: Layer, y: tf.Tensor): tf.Tensor => {
  const { activation } = layer as unknown as { readonly activation?: { readonly apply: (x: tf.Tensor) => tf.Tensor } }
  return activation === undefined || activation === null ? y : activation.apply(y)
}

/** A parameter that is held as it is. */
export const asItIs = (name: string, index: number, shape: ReadonlyArray<number>): LayerParameter => ({
  name,
  shape,
  index,
  held: (own) => own,
  own: (held) => held
})
