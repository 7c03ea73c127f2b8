/**
 * Pooling in one and two dimensions, by kernels whose gradients are right: tfjs's own are wrong for a maximum on wasm, and for an average
 * wherever a window extends over the edge. Pooling over everything and in three dimensions are
 * tfjs's own (`topology.ts`).
 *
 *   average   the sum over a window (a depthwise convolution with 1), over the number of pixels that it has
 */
import * as tf from "@tensorflow/tfjs-core"
import { axesOf, depthwiseConvolution, frozenLinear, maxPooling, type Window } from "../../kernels/index.ts"
import { channelsLast, configOf, type DataFormat, inFormat, type LayerKind } from "./layer.ts"

interface PoolingConfig extends DataFormat {
  readonly poolSize: ReadonlyArray<number> | number
  readonly strides: ReadonlyArray<number> | number
  readonly padding: Window["padding"]
}

const both = (values: ReadonlyArray<number> | number, flat: boolean): readonly [number, number] => {
  const [first, second] = [values].flat() as ReadonlyArray<number>
  return [first!, flat ? 1 : (second ?? first!)]
}

const windowOf = ({ poolSize, strides, padding }: PoolingConfig, flat: boolean): Window => ({
  kernel: both(poolSize, flat),
  strides: both(strides, flat),
  dilation: [1, 1],
  padding
})

/** 1 over the number of pixels under each place of the window [1, rows, columns, 1] */
const shares = (height: number, width: number, window: Window): tf.Tensor4D => {
  const [vertical, horizontal] = axesOf([height, width], window).map(({ first, places, span }, axis) =>
    Array.from({ length: places }, (_, i) => {
      const from = first + i * window.strides[axis]!
      return Math.min(from + span, [height, width][axis]!) - Math.max(from, 0)
    })
  )
  const values = vertical!.flatMap((tall) => horizontal!.map((wide) => 1 / (tall * wide)))
  return tf.tensor4d(values, [1, vertical!.length, horizontal!.length, 1])
}

const averagePooling = (x: tf.Tensor4D, window: Window): tf.Tensor4D => {
  const [, height, width, channels] = x.shape
  const sums = depthwiseConvolution(x, tf.ones([...window.kernel, channels, 1]), window)
  return tf.mul(sums, shares(height, width, window))
}

type Pooling = (x: tf.Tensor4D, window: Window) => tf.Tensor4D

const in2d = (pooling: Pooling): LayerKind => ({
  call: (layer, _path, [x]) => {
    const config = configOf<PoolingConfig>(layer)
    return [inFormat(pooling(channelsLast(x!, config) as tf.Tensor4D, windowOf(config, false)), config)]
  }
})

/** x [batch, length, channels] */
const in1d = (pooling: Pooling): LayerKind => ({
  call: (layer, _path, [x]) => {
    const window = windowOf(configOf<PoolingConfig>(layer), true)
    return [tf.squeeze(pooling(tf.expandDims<tf.Tensor4D>(x!, 2), window), [2])]
  }
})

/** MaxPooling1D. */
export const maxPooling1d: LayerKind = in1d(maxPooling)
/** MaxPooling2D. */
export const maxPooling2d: LayerKind = in2d(maxPooling)
/** AveragePooling1D. */
export const averagePooling1d: LayerKind = in1d(averagePooling)
/** AveragePooling2D. */
export const averagePooling2d: LayerKind = in2d(averagePooling)

/**
 * UpSampling2D as two products: each line of the output is a sum of lines of the input, y = R_h·x·R_wᵀ, whose gradient is a product again.
 * tfjs's own gradients are wrong: of "nearest" on wasm, of "bilinear" on cpu.
 *
 *   nearest    R[i, ⌊i/s⌋] = 1
 *   bilinear   R[i, ⌊i/s⌋] = 1 − f,  R[i, ⌊i/s⌋ + 1] = f,  f = i/s − ⌊i/s⌋; the last line is continued
 */
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

/** UpSampling2D. */
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
