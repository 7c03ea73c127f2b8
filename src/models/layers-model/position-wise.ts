/**
 * Position-wise layers: each row along the last axis is computed by itself.
 *
 * Dense: y = activation(x·kernel + bias) over the last axis, kernel [in, units]. Embedding: rows of a table [vocabulary, units] by their
 * numbers, held as W [units, vocabulary]; adapted where a target names it. Activation layers; PReLU's `<path>.alpha` is frozen, or
 * trained itself.
 */
import * as tf from "@tensorflow/tfjs-core"
import { clippedRelu } from "../../kernels/index.ts"
import { type LinearSite, stopGradient } from "../../tensors/index.ts"
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

/** Dense. */
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

/** Embedding. */
export const embedding: LayerKind = {
  sites: (layer, path) => [tableOf(layer, path)],
  parameters: (layer, path) => [kernelAsMatrix(`${path}.weight`, 0, weightShapes(layer)[0]!)],
  call: (layer, path, [x], { linear }) => {
    const site = tableOf(layer, path)
    const ids = tf.reshape<tf.Rank.R2>(tf.cast(x!, "int32"), [x!.size, 1])
    return [tf.reshape(linear(site, ids), [...x!.shape, site.out])]
  }
}

/** Activation. */
export const activation: LayerKind = { call: (layer, _path, [x]) => [activated(layer, x!)] }

/** ReLU. */
export const relu: LayerKind = {
  call: (layer, _path, [x]) => {
    const { maxValue } = configOf<{ readonly maxValue?: number | null }>(layer)
    return [maxValue === undefined || maxValue === null ? tf.relu(x!) : clippedRelu(x!, maxValue)]
  }
}

/** PReLU. */
export const prelu: LayerKind = {
  parameters: (layer, path) => [asItIs(`${path}.alpha`, 0, weightShapes(layer)[0]!)],
  call: (_layer, path, [x], { weights }) => [tf.prelu(x!, weights(`${path}.alpha`))]
}

/** ThresholdedReLU: x if x > θ, else 0. tfjs's own has no gradient, since it compares. */
export const thresholdedRelu: LayerKind = {
  call: (layer, _path, [x]) => {
    const { theta } = configOf<{ readonly theta: number }>(layer)
    return [
      tf.mul(
        x!,
        stopGradient(() => tf.cast(tf.greater(x!, theta), "float32"))
      )
    ]
  }
}

/** Masking: x, or 0 at steps whose values all equal the mask value. tfjs's own has no gradient either. */
export const masking: LayerKind = {
  call: (layer, _path, [x]) => {
    const { maskValue } = configOf<{ readonly maskValue: number }>(layer)
    return [
      tf.mul(
        x!,
        stopGradient(() => tf.cast(tf.any(tf.notEqual(x!, maskValue), -1, true), x!.dtype))
      )
    ]
  }
}
