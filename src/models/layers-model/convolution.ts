/**
 * Conv1D, Conv2D and Conv3D: linear layers over patches. Kernel [depth, height, width, in, filters] (without depth,
 * without height), held as W [filters, depth·height·width·in], a row for each filter.
 */
import * as tf from "@tensorflow/tfjs-core"
import { depthwiseConvolution, outputSize, type Pair, patches, type Window } from "../../kernels/index.ts"
import type { LinearSite } from "../../tensors/index.ts"
import {
  activated,
  asItIs,
  channelsLast,
  configOf,
  type DataFormat,
  inFormat,
  kernelAsMatrix,
  type Layer,
  type LayerKind,
  weightShapes
} from "./layer.ts"

interface ConvolutionConfig extends DataFormat {
  readonly filters: number
  readonly useBias: boolean
  readonly strides: ReadonlyArray<number>
  readonly dilationRate: ReadonlyArray<number>
  readonly padding: Window["padding"]
}

const siteOf = (layer: Layer, path: string): LinearSite => {
  const { filters, useBias } = configOf<ConvolutionConfig>(layer)
  const inputs = tf.util.sizeFromShape([...weightShapes(layer)[0]!]) / filters
  return { name: path, kind: "conv", out: filters, in: inputs, ...(useBias ? {} : { bias: false }) }
}

/** Rows that W takes, and how many places there are along each axis. */
interface Places {
  readonly rows: tf.Tensor2D
  readonly size: ReadonlyArray<number>
}

/** x [batch, width, in] is a picture one pixel wide, x [batch, depth, height, width, in] one of lines. */
const placesOf = (layer: Layer, x: tf.Tensor): Places => {
  const { strides, dilationRate: dilation, padding } = configOf<ConvolutionConfig>(layer)
  const kernel = weightShapes(layer)[0]!.slice(0, -2)
  const [batch, ...size] = x.shape.slice(0, -1) as [number, ...Array<number>]
  const channels = x.shape.at(-1)!
  // over the axes from `first` on, or over one
  const window = (first: number, count: 1 | 2): Window => {
    const pair = (values: ReadonlyArray<number>): Pair => [values[first]!, count === 1 ? 1 : values[first + 1]!]
    return { kernel: pair(kernel), strides: pair(strides), dilation: pair(dilation), padding }
  }
  if (kernel.length === 1) {
    const rowWindow = window(0, 1)
    return {
      rows: patches(tf.reshape(x, [batch, size[0]!, 1, channels]), rowWindow),
      size: [outputSize([size[0]!, 1], rowWindow)[0]]
    }
  }
  if (kernel.length === 2) {
    const columnWindow = window(0, 2)
    return { rows: patches(x as tf.Tensor4D, columnWindow), size: outputSize([size[0]!, size[1]!], columnWindow) }
  }
  return inVolume(x as tf.Tensor5D, window(0, 2), window(2, 1))
}

/** First along depth and height, over whole lines; then along each line. */
const inVolume = (x: tf.Tensor5D, slab: Window, line: Window): Places => {
  const [batch, depth, height, width, channels] = x.shape
  const slabs = outputSize([depth, height], slab)
  const [along] = outputSize([width, 1], line)
  const [thick, long] = [slab.kernel[0] * slab.kernel[1], line.kernel[0] * channels]
  const count = batch * slabs[0] * slabs[1]
  const cut = patches(tf.reshape(x, [batch, depth, height, width * channels]), slab)
  const pieces = patches(tf.reshape(cut, [count * thick, width, 1, channels]), line)
  const rows = tf.transpose(tf.reshape(pieces, [count, thick, along, long]), [0, 2, 1, 3])
  return { rows: tf.reshape(rows, [count * along, thick * long]), size: [...slabs, along] }
}

/** Conv1D and Conv2D. */
export const convolution: LayerKind = {
  sites: (layer, path) => [siteOf(layer, path)],
  parameters: (layer, path) => {
    const { filters, useBias } = configOf<ConvolutionConfig>(layer)
    return [
      kernelAsMatrix(`${path}.weight`, 0, weightShapes(layer)[0]!),
      ...(useBias ? [asItIs(`${path}.bias`, 1, [filters])] : [])
    ]
  },
  call: (layer, path, [x], { linear }) => {
    const config = configOf<ConvolutionConfig>(layer)
    const { rows, size } = placesOf(layer, channelsLast(x!, config))
    const y = linear(siteOf(layer, path), rows)
    return [activated(layer, inFormat(tf.reshape(y, [x!.shape[0]!, ...size, config.filters]), config))]
  }
}

/**
 * DepthwiseConv2D and SeparableConv2D. A depthwise kernel mixes no channels, so there is no matrix to factorize. It is frozen, or trained
 * itself (`<path>.weight`, of a separable layer `<path>.depthwise.weight`); the pointwise part of a separable layer is a linear layer,
 * `<path>.pointwise`.
 */
interface DepthwiseConfig extends DataFormat {
  readonly useBias: boolean
  readonly strides: Pair
  readonly dilationRate: Pair
  readonly padding: Window["padding"]
}

const convolved = (x: tf.Tensor, K: tf.Tensor, { strides, padding }: DepthwiseConfig, dilation: Pair): tf.Tensor4D =>
  depthwiseConvolution(x as tf.Tensor4D, K as tf.Tensor4D, {
    kernel: [K.shape[0]!, K.shape[1]!],
    strides,
    dilation,
    padding
  })

/** DepthwiseConv2D. */
export const depthwise: LayerKind = {
  parameters: (layer, path) => {
    const [kernel, bias] = weightShapes(layer)
    return [asItIs(`${path}.weight`, 0, kernel!), ...(bias === undefined ? [] : [asItIs(`${path}.bias`, 1, bias)])]
  },
  call: (layer, path, [x], { weights }) => {
    const config = configOf<DepthwiseConfig>(layer)
    // tfjs's own layer has no dilation, whatever its config says
    const y = convolved(channelsLast(x!, config), weights(`${path}.weight`), config, [1, 1])
    const biased = config.useBias ? tf.add(y, weights(`${path}.bias`)) : y
    return [activated(layer, inFormat(biased, config))]
  }
}

const pointwiseOf = (layer: Layer, path: string): LinearSite => {
  const { useBias } = configOf<DepthwiseConfig>(layer)
  const [inputs, filters] = weightShapes(layer)[1]!.slice(-2) as [number, number]
  return { name: `${path}.pointwise`, kind: "conv", out: filters, in: inputs, ...(useBias ? {} : { bias: false }) }
}

/** SeparableConv2D. */
export const separable: LayerKind = {
  sites: (layer, path) => [pointwiseOf(layer, path)],
  parameters: (layer, path) => {
    const [kernel, pointwise, bias] = weightShapes(layer)
    return [
      asItIs(`${path}.depthwise.weight`, 0, kernel!),
      kernelAsMatrix(`${path}.pointwise.weight`, 1, pointwise!),
      ...(bias === undefined ? [] : [asItIs(`${path}.pointwise.bias`, 2, bias)])
    ]
  },
  call: (layer, path, [x], { linear, weights }) => {
    const config = configOf<DepthwiseConfig>(layer)
    const depthwiseOutput = convolved(
      channelsLast(x!, config),
      weights(`${path}.depthwise.weight`),
      config,
      config.dilationRate
    )
    const [batch, rows, columns, channels] = depthwiseOutput.shape
    const site = pointwiseOf(layer, path)
    const y = linear(site, tf.reshape(depthwiseOutput, [batch * rows * columns, channels]))
    return [inFormat(activated(layer, tf.reshape(y, [batch, rows, columns, site.out])), config)]
  }
}
