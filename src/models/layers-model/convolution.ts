/**
 * Conv1D and Conv2D: linear layers over patches. Kernel [height, width, in, filters] (Conv1D [width, in, filters]), held as
 * W [filters, height·width·in], a row for each filter.
 */
import * as tf from "@tensorflow/tfjs"
import type { LinearSite } from "../../tensors/linear.ts"
import { activated, asItIs, configOf, type Layer, type LayerKind, type LayerParameter } from "./layer.ts"
import { outputSize, type Pair, patches, type Window } from "./patches.ts"

interface ConvolutionConfig {
  readonly filters: number
  readonly useBias: boolean
  readonly strides: ReadonlyArray<number>
  readonly dilationRate: ReadonlyArray<number> | number
  readonly padding: Window["padding"]
  readonly dataFormat: "channelsLast" | "channelsFirst" | "channels_last" | "channels_first"
}

/** One axis is the height of a picture one pixel wide. */
const pair = (values: ReadonlyArray<number> | number): Pair => {
  const [first, second] = typeof values === "number" ? [values, values] : values
  return [first!, second ?? 1]
}

const channelsFirst = ({ dataFormat }: ConvolutionConfig): boolean => /first/i.test(dataFormat)

/** How many axes a kernel spans. */
const axesOf = (layer: Layer): number => layer.getWeights()[0]!.shape.length - 2

export const windowOf = (layer: Layer): Window => {
  const { strides, dilationRate, padding } = configOf<ConvolutionConfig>(layer)
  const flat = axesOf(layer) === 1
  const both = (values: ReadonlyArray<number> | number): Pair => (flat ? [pair(values)[0], 1] : pair(values))
  const kernel = layer.getWeights()[0]!.shape
  return {
    kernel: flat ? [kernel[0]!, 1] : [kernel[0]!, kernel[1]!],
    strides: both(strides),
    dilation: both(dilationRate),
    padding
  }
}

const siteOf = (layer: Layer, path: string): LinearSite => {
  const { filters, useBias } = configOf<ConvolutionConfig>(layer)
  const kernel = layer.getWeights()[0]!
  return { name: path, kind: "conv", out: filters, in: kernel.size / filters, ...(useBias ? {} : { bias: false }) }
}

/** A kernel whose last axis is the filters, held as a matrix with a row for each. */
export const kernelAsMatrix = (name: string, index: number, shape: ReadonlyArray<number>): LayerParameter => {
  const filters = shape.at(-1)!
  const inputs = shape.slice(0, -1).reduce((product, n) => product * n, 1)
  return {
    name,
    shape: [filters, inputs],
    index,
    held: (own) => tf.transpose(tf.reshape(own, [inputs, filters])),
    own: (held) => tf.reshape(tf.transpose(held), [...shape])
  }
}

/** x with its channels last and two axes of pixels. */
const picture = (x: tf.Tensor, config: ConvolutionConfig, flat: boolean): tf.Tensor4D => {
  const last = channelsFirst(config) ? tf.transpose(x, flat ? [0, 2, 1] : [0, 2, 3, 1]) : x
  return (flat ? tf.expandDims(last, 2) : last) as tf.Tensor4D
}

/** And back. */
const unpictured = (y: tf.Tensor4D, config: ConvolutionConfig, flat: boolean): tf.Tensor => {
  const own = flat ? tf.squeeze(y, [2]) : y
  return channelsFirst(config) ? tf.transpose(own, flat ? [0, 2, 1] : [0, 3, 1, 2]) : own
}

export const convolution: LayerKind = {
  sites: (layer, path) => [siteOf(layer, path)],
  parameters: (layer, path) => {
    const { filters, useBias } = configOf<ConvolutionConfig>(layer)
    return [
      kernelAsMatrix(`${path}.weight`, 0, layer.getWeights()[0]!.shape),
      ...(useBias ? [asItIs(`${path}.bias`, 1, [filters])] : [])
    ]
  },
  call: (layer, path, [x], { linear }) => {
    const config = configOf<ConvolutionConfig>(layer)
    const flat = axesOf(layer) === 1
    const window = windowOf(layer)
    const pixels = picture(x!, config, flat)
    const [batch, height, width] = pixels.shape
    const y = linear(siteOf(layer, path), patches(pixels, window))
    const size = outputSize([height, width], window)
    const output = tf.reshape<tf.Rank.R4>(y, [batch, ...size, config.filters])
    return [activated(layer, unpictured(output, config, flat))]
  }
}
