/**
 * BatchNormalization and LayerNormalization. Scale and shift, `<path>.gamma` and `<path>.beta`, are frozen, or trained
 * themselves.
 *
 *   batch   y = (x − mean)·γ/√(variance + ε) + β      mean and variance are those that the layer has gathered, always:
 *                                                     batches of a few rows, as adapters have, would only spoil them
 *   layer   y = (x − mean x)·γ/√(var x + ε) + β       over the layer's axes, of each row
 */
import * as tf from "@tensorflow/tfjs-core"
import { layerNorm, scaledColumns } from "../../kernels/index.ts"
import type { Weights } from "../../tensors/index.ts"
import { asItIs, configOf, indexOf, type Layer, type LayerKind, type LayerParameter, weightShapes } from "./layer.ts"

interface NormalizationConfig {
  readonly axis: number | ReadonlyArray<number>
  readonly epsilon: number
}

/** Those of the names that the layer has. */
const named = (layer: Layer, path: string, names: Readonly<Record<string, string>>): ReadonlyArray<LayerParameter> =>
  Object.entries(names).flatMap(([name, weightName]) => {
    const index = indexOf(layer, weightName)
    return index < 0 ? [] : [asItIs(`${path}.${name}`, index, weightShapes(layer)[index]!)]
  })

const parameters: LayerKind["parameters"] = (layer, path) => named(layer, path, { gamma: "gamma", beta: "beta" })

const weightOf = (layer: Layer, path: string, weights: Weights, name: "gamma" | "beta"): tf.Tensor | undefined =>
  indexOf(layer, name) < 0 ? undefined : weights(`${path}.${name}`)

/** BatchNormalization. */
export const batchNormalization: LayerKind = {
  parameters,
  constants: (layer, path) => named(layer, path, { mean: "moving_mean", variance: "moving_variance" }),
  call: (layer, path, [x], { weights }) => {
    const { axis, epsilon } = configOf<NormalizationConfig>(layer)
    const [gamma, beta] = [weightOf(layer, path, weights, "gamma"), weightOf(layer, path, weights, "beta")]
    const inverse = tf.rsqrt(tf.add(weights(`${path}.variance`), epsilon))
    const factor = gamma === undefined ? inverse : tf.mul(inverse, gamma)
    const centre = tf.mul(weights(`${path}.mean`), factor)
    const shift = beta === undefined ? tf.neg(centre) : tf.sub(beta, centre)
    return [alongAxis(x!, factor as tf.Tensor1D, shift as tf.Tensor1D, axis as number)]
  }
}

/** tfjs's kernels there take mean and variance by turns, as if their axis were the last. */
const BY_TURNS: ReadonlySet<string> = new Set(["cpu", "wasm"])

/**
 * x·factor + shift, both along one axis. Along another than the last tfjs 4.22 computes something else on cpu and wasm,
 * and what a model says there is what it says: so does this.
 */
const alongAxis = (x: tf.Tensor, factor: tf.Tensor1D, shift: tf.Tensor1D, axis: number): tf.Tensor => {
  const at = axis < 0 ? axis + x.rank : axis
  const size = factor.size
  if (at === x.rank - 1 || BY_TURNS.has(tf.getBackend())) {
    return tf.reshape(scaledColumns(tf.reshape(x, [x.size / size, size]), factor, shift), x.shape)
  }
  const shape = x.shape.map((_, i) => (i === at ? size : 1))
  return tf.add(tf.mul(x, tf.reshape(factor, shape)), tf.reshape(shift, shape))
}

/** LayerNormalization. */
export const layerNormalization: LayerKind = {
  parameters,
  call: (layer, path, [x], { weights }) => {
    const { axis, epsilon } = configOf<NormalizationConfig>(layer)
    const axes = [axis].flat().map((one) => (one < 0 ? one + x!.rank : one))
    const others = x!.shape.map((_, i) => i).filter((i) => !axes.includes(i))
    const order = [...others, ...axes]
    const turned = order.every((from, to) => from === to) ? x! : tf.transpose(x!, order)
    const size = axes.reduce((product, one) => product * x!.shape[one]!, 1)
    const vector = (name: "gamma" | "beta", otherwise: number) =>
      tf.reshape<tf.Rank.R1>(weightOf(layer, path, weights, name) ?? tf.fill([size], otherwise), [size])
    const rows = tf.reshape<tf.Rank.R2>(turned, [x!.size / size, size])
    const y = tf.reshape(layerNorm(rows, null, vector("gamma", 1), vector("beta", 0), epsilon), turned.shape)
    if (turned === x) return [y]
    return [
      tf.transpose(
        y,
        order.map((_, i) => order.indexOf(i))
      )
    ]
  }
}
