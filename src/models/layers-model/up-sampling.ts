/**
 * UpSampling2D as two products: each line of the output is a sum of lines of the input, y = R_h·x·R_wᵀ, whose gradient
 * is a product again. tfjs's own gradients are wrong: of "nearest" on wasm, of "bilinear" on cpu.
 *
 *   nearest    R[i, ⌊i/s⌋] = 1
 *   bilinear   R[i, ⌊i/s⌋] = 1 − f,  R[i, ⌊i/s⌋ + 1] = f,  f = i/s − ⌊i/s⌋; the last line goes on beyond itself
 */
import * as tf from "@tensorflow/tfjs"
import { frozenLinear } from "../../kernels/dense-linear.ts"
import { channelsLast, type DataFormat, inFormat } from "./data-format.ts"
import { configOf, type LayerKind } from "./layer.ts"

interface UpSamplingConfig extends DataFormat {
  readonly size: readonly [height: number, width: number]
  readonly interpolation: "nearest" | "bilinear"
}

/** R [times·n, n] */
const resampling = (n: number, times: number, interpolation: UpSamplingConfig["interpolation"]): tf.Tensor2D => {
  const values = new Float32Array(times * n * n)
  for (let i = 0; i < times * n; i++) {
    const line = Math.floor(i / times)
    const fraction = interpolation === "bilinear" ? i / times - line : 0
    values[i * n + line]! += 1 - fraction
    values[i * n + Math.min(line + 1, n - 1)]! += fraction
  }
  return tf.tensor2d(values, [times * n, n])
}

/** The lines of each of `outer` tables [n, inner] → [outer, times·n, inner] */
const resampled = (R: tf.Tensor2D, x: tf.Tensor, [outer, n, inner]: readonly [number, number, number]): tf.Tensor => {
  const lines = tf.transpose(tf.reshape(x, [outer, n, inner]), [0, 2, 1])
  const longer = frozenLinear(tf.reshape<tf.Rank.R2>(lines, [outer * inner, n]), R, null)
  return tf.transpose(tf.reshape(longer, [outer, inner, R.shape[0]]), [0, 2, 1])
}

export const upSampling2d: LayerKind = {
  call: (layer, _path, [x]) => {
    const { size, interpolation, ...format } = configOf<UpSamplingConfig>(layer)
    const last = channelsLast(x!, format)
    const [batch, height, width, channels] = last.shape as [number, number, number, number]
    const tall = resampled(resampling(height, size[0], interpolation), last, [batch, height, width * channels])
    const lines = batch * height * size[0]
    const wide = resampled(resampling(width, size[1], interpolation), tall, [lines, width, channels])
    return [inFormat(tf.reshape(wide, [batch, height * size[0], width * size[1], channels]), format)]
  }
}
