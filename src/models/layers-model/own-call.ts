/**
 * Layers without a kind of their own: by tfjs's own `apply`, frozen, with its gradient. Where that gradient is known to
 * be wrong, a walk that comes through says so instead of training on it.
 */
import * as tf from "@tensorflow/tfjs"
import { addNode, isRecording, observe } from "../../tensors/index.ts"
import { configOf, type Layer } from "./layer.ts"

/**
 * Where tfjs 4.22's gradient is not that of the layer, by class name: a part of a sentence, undefined where it is
 * right.
 */
const wrongGradients: Readonly<Record<string, (layer: Layer) => string | undefined>> = {
  MaxPooling3D: () => (tf.getBackend() === "wasm" ? "on wasm" : undefined),
  AveragePooling3D: (layer) =>
    configOf<{ readonly padding: string }>(layer).padding === "same" ? 'with padding "same"' : undefined
}

/** As tfjs's executor calls it, at inference: no dropout, no batch statistics. */
export const ownCall = (
  layer: Layer,
  inputs: ReadonlyArray<tf.Tensor>,
  mask: tf.Tensor | null
): ReadonlyArray<tf.Tensor> => {
  const given = { training: false, ...(mask === null ? {} : { mask }) }
  const outputs = [layer.apply([...inputs], given)].flat() as ReadonlyArray<tf.Tensor>
  const where = wrongGradients[layer.getClassName()]?.(layer)
  if (where === undefined) return outputs
  return outputs.map((y) => withoutGradient(y, wrongGradient(layer, where)))
}

const wrongGradient = (layer: Layer, where: string): string =>
  `layer ${layer.name}: tfjs's gradient of ${layer.getClassName()} is wrong ${where}; ` +
  "expected nothing that is trained before this layer"

/** y again; whoever asks for the gradient behind it gets an Error with the sentence. */
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
