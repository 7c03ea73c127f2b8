/** Dense: y = activation(x·kernel + bias) over the last axis, kernel [in, units]. */
import * as tf from "@tensorflow/tfjs"
import type { LinearSite } from "../../tensors/linear.ts"
import { activated, asItIs, configOf, type Layer, type LayerKind, type LayerParameter } from "./layer.ts"

interface DenseConfig {
  readonly units: number
  readonly useBias: boolean
}

/** Of any layer whose first weight is a kernel [in, out]: its site. */
const siteOf = (layer: Layer, path: string): LinearSite => {
  const { units, useBias } = configOf<DenseConfig>(layer)
  const [inputs] = layer.getWeights()[0]!.shape as [number]
  return { name: path, kind: "dense", out: units, in: inputs, ...(useBias ? {} : { bias: false }) }
}

/** A kernel [in, out], held as W [out, in]. */
export const transposedKernel = (
  name: string,
  index: number,
  [inputs, out]: readonly [number, number]
): LayerParameter => ({
  name,
  shape: [out, inputs],
  index,
  held: (own) => tf.transpose(own),
  own: (held) => tf.transpose(held)
})

export const dense: LayerKind = {
  sites: (layer, path) => [siteOf(layer, path)],
  parameters: (layer, path) => {
    const { units, useBias } = configOf<DenseConfig>(layer)
    return [
      transposedKernel(`${path}.weight`, 0, layer.getWeights()[0]!.shape as [number, number]),
      ...(useBias ? [asItIs(`${path}.bias`, 1, [units])] : [])
    ]
  },
  call: (layer, path, [x], { linear }) => {
    const site = siteOf(layer, path)
    const y = linear(site, tf.reshape<tf.Rank.R2>(x!, [-1, site.in]))
    return [activated(layer, tf.reshape(y, [...x!.shape.slice(0, -1), site.out]))]
  }
}
