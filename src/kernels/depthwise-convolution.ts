/**
 * A depthwise convolution: each channel with filters of its own.
 *
 *   y[n, i, j, c] = Σ x[n, i·stride + k·dilation + first, …, c] · K[k, l, c]      over the places (k, l) of the kernel
 *   dx = Σ dy·K over the places of a pixel          dK = Σ x·dy over all places
 *
 * Shapes: x [batch, height, width, channels], K [height, width, channels, 1], y [batch, rows, columns, channels]. Where
 * a channel has several filters, it is that many channels.
 *
 * The forward pass is tfjs's own, which is fast where it matters; of the backward pass tfjs has nothing on wasm, and
 * there it is ours. The reference goes over patches.
 */
import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { declareKernel, read, write } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import { patches, patchesBackward } from "./patches.ts"
import { type PictureShape, WINDOW_WORDS, type Window, windowWords } from "./window.ts"

interface Attributes {
  readonly window: Window
  /** of x */
  readonly shape: PictureShape
}

const placesIn = ({ kernel }: Window): number => kernel[0] * kernel[1]

/** dy as [rows, 1, channels] */
const asRows = (dy: Tensor, channels: number): Tensor => tf.reshape(dy, [dy.size / channels, 1, channels])

const backwardKernel = declareKernel({
  name: "depthwiseBackward",
  buffers: { dy: read("f32"), filters: read("f32"), dx: write("f32") },
  words: { ...WINDOW_WORDS, lines: "u32" },
  split: {
    over: "lines",
    cost: ({ width, channels, kernelHeight, kernelWidth }) => width * channels * kernelHeight * kernelWidth
  }
})

const filterKernel = declareKernel({
  name: "depthwiseFilterGradient",
  buffers: { x: read("f32"), dy: read("f32"), out: write("f32") },
  words: WINDOW_WORDS,
  scratch: ({ channels }) => 4 * channels
})

const backward = defineKernel<"dy" | "K", Attributes>({
  name: "DepthwiseConvolutionBackward",
  reference: ({ dy, K }, { shape, window }) => {
    const [places, channels] = [placesIn(window), shape[3]]
    const dP = tf.mul(asRows(dy, channels), tf.reshape(K, [1, places, channels]))
    return [patchesBackward(tf.reshape(dP, [dP.shape[0]!, places * channels]), shape, window)]
  },
  wasm: ({ dy, K }, { shape, window }, engine) => {
    const dx = engine.output(shape)
    engine.run(backwardKernel, { dy, filters: K, dx }, { ...windowWords(shape, window), lines: shape[0] * shape[1] })
    return [dx]
  }
})

const filterGradient = defineKernel<"x" | "dy", Attributes>({
  name: "DepthwiseConvolutionFilterGradient",
  reference: ({ x, dy }, { shape, window }) => {
    const [places, channels] = [placesIn(window), shape[3]]
    const size = [...window.kernel, channels, 1]
    if (dy.size === 0) return [tf.zeros(size)]
    const P = patches(x as Tensor4D, window)
    const each = tf.mul(tf.reshape(P, [P.shape[0], places, channels]), asRows(dy, channels))
    return [tf.reshape(tf.sum(each, 0), size)]
  },
  wasm: ({ x, dy }, { shape, window }, engine) => {
    const out = engine.output([...window.kernel, shape[3], 1])
    // a chunk is one place of the kernel
    engine.run(filterKernel, { x, dy, out }, windowWords(shape, window), { chunks: placesIn(window) })
    return [out]
  }
})

const kernel = defineKernel<"x" | "K", Attributes>({
  name: "DepthwiseConvolution",
  reference: ({ x, K }, { window: { strides, dilation, padding } }) => {
    const [image, filters] = [x as Tensor4D, K as Tensor4D]
    return [tf.depthwiseConv2d(image, filters, [...strides], padding as "same" | "valid", "NHWC", [...dilation])]
  },
  inputsToSave: ["x", "K"],
  gradient: ([dy], [x, K], attributes) => ({
    x: () => backward({ dy: dy!, K: K! }, attributes)[0]!,
    K: () => filterGradient({ x: x!, dy: dy! }, attributes)[0]!
  })
})

/**
 * Convolves each channel separately: x [batch, height, width, channels], K [height, width, channels, filters] → [batch, rows, columns, channels ·
 * filters]; gradients for both. Padding "same" or "valid"; tfjs supports strides or a dilation, not both.
 */
export const depthwiseConvolution = (x: Tensor4D, K: Tensor4D, window: Window): Tensor4D => {
  const [height, width, channels, filters] = K.shape
  const each = filters === 1 ? x : repeated(x, filters)
  const kernelPerChannel = filters === 1 ? K : tf.reshape<tf.Rank.R4>(K, [height, width, channels * filters, 1])
  return kernel({ x: each, K: kernelPerChannel }, { window, shape: each.shape })[0] as Tensor4D
}

/** Each channel `times` times, side by side. */
const repeated = (x: Tensor4D, times: number): Tensor4D => {
  const [batch, height, width, channels] = x.shape
  const copies = tf.mul(tf.reshape(x, [batch * height * width, channels, 1]), tf.ones([1, 1, times]))
  return tf.reshape(copies, [batch, height, width, channels * times])
}
