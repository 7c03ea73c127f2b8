/**
 * DepthwiseConv2D and SeparableConv2D. A depthwise kernel mixes no channels: there is no matrix in it for factors to be
 * of. It is frozen, or trained itself (`<path>.weight`, of a separable layer `<path>.depthwise.weight`); the pointwise
 * part of a separable layer is a linear layer, `<path>.pointwise`.
 */
import * as tf from "@tensorflow/tfjs"
import { depthwiseConvolution } from "../../kernels/depthwise-convolution.ts"
import type { Pair, Window } from "../../kernels/window.ts"
import type { LinearSite } from "../../tensors/index.ts"
import { channelsLast, type DataFormat, inFormat } from "./data-format.ts"
import { activated, asItIs, configOf, kernelAsMatrix, type Layer, type LayerKind, weightShapes } from "./layer.ts"

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
    const own = convolved(channelsLast(x!, config), weights(`${path}.depthwise.weight`), config, config.dilationRate)
    const [batch, rows, columns, channels] = own.shape
    const site = pointwiseOf(layer, path)
    const y = linear(site, tf.reshape(own, [batch * rows * columns, channels]))
    return [inFormat(activated(layer, tf.reshape(y, [batch, rows, columns, site.out])), config)]
  }
}
