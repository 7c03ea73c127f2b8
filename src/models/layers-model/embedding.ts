/**
 * Embedding: rows of a table [vocabulary, units] by their numbers, held as W [units, vocabulary]. Adapted where a
 * target names it.
 */
import * as tf from "@tensorflow/tfjs"
import type { LinearSite } from "../../tensors/index.ts"
import { kernelAsMatrix, type Layer, type LayerKind, weightShapes } from "./layer.ts"

const siteOf = (layer: Layer, path: string): LinearSite => {
  const [vocabulary, units] = weightShapes(layer)[0]! as [number, number]
  return { name: path, kind: "embedding", out: units, in: vocabulary, bias: false }
}

export const embedding: LayerKind = {
  sites: (layer, path) => [siteOf(layer, path)],
  parameters: (layer, path) => [kernelAsMatrix(`${path}.weight`, 0, weightShapes(layer)[0]!)],
  call: (layer, path, [x], { linear }) => {
    const site = siteOf(layer, path)
    const ids = tf.reshape<tf.Rank.R2>(tf.cast(x!, "int32"), [x!.size, 1])
    return [tf.reshape(linear(site, ids), [...x!.shape, site.out])]
  }
}
