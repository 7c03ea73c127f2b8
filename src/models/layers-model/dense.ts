/**
 * Dense: y = activation(x·kernel + bias) over the last axis, kernel [in, units]. Embedding: rows of a table [vocabulary, units] by their
 * numbers, held as W [units, vocabulary]; adapted where a target names it.
 */
import * as tf from "@tensorflow/tfjs-core"
import type { LinearSite } from "../../tensors/index.ts"
import { activated, asItIs, configOf, kernelAsMatrix, type Layer, type LayerKind, weightShapes } from "./layer.ts"

interface DenseConfig {
  readonly units: number
  readonly useBias: boolean
}

const siteOf = (layer: Layer, path: string): LinearSite => {
  const { units, useBias } = configOf<DenseConfig>(layer)
  return {
    name: path,
    kind: "dense",
    out: units,
    in: weightShapes(layer)[0]![0]!,
    ...(useBias ? {} : { bias: false })
  }
}

export const dense: LayerKind = {
  sites: (layer, path) => [siteOf(layer, path)],
  parameters: (layer, path) => {
    const { units, useBias } = configOf<DenseConfig>(layer)
    return [
      kernelAsMatrix(`${path}.weight`, 0, weightShapes(layer)[0]!),
      ...(useBias ? [asItIs(`${path}.bias`, 1, [units])] : [])
    ]
  },
  call: (layer, path, [x], { linear }) => {
    const site = siteOf(layer, path)
    const y = linear(site, tf.reshape<tf.Rank.R2>(x!, [x!.size / site.in, site.in]))
    return [activated(layer, tf.reshape(y, [...x!.shape.slice(0, -1), site.out]))]
  }
}

const tableOf = (layer: Layer, path: string): LinearSite => {
  const [vocabulary, units] = weightShapes(layer)[0]! as [number, number]
  return { name: path, kind: "embedding", out: units, in: vocabulary, bias: false }
}

export const embedding: LayerKind = {
  sites: (layer, path) => [tableOf(layer, path)],
  parameters: (layer, path) => [kernelAsMatrix(`${path}.weight`, 0, weightShapes(layer)[0]!)],
  call: (layer, path, [x], { linear }) => {
    const site = tableOf(layer, path)
    const ids = tf.reshape<tf.Rank.R2>(tf.cast(x!, "int32"), [x!.size, 1])
    return [tf.reshape(linear(site, ids), [...x!.shape, site.out])]
  }
}
