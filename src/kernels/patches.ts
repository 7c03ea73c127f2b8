/**
 * The patches under a convolution's kernel as rows, so that a convolution is a linear layer: y = patches·Wᵀ, where W
 * [out, kernel·in] is the kernel as a matrix. So an adapter meets a matrix there as anywhere else, and the paper's
 * theory holds unchanged.
 *
 *   P[(n, i, j), (k, l, c)] = x[n, i·stride + k·dilation + first, …, c], 0 beyond the edge
 *   dx = Σ of dP over all places of a pixel
 *
 * Shapes: x [batch, height, width, channels], P [batch · places, kernel · channels], channels last in a row. The
 * reference shifts the picture once for each place in the kernel; on wasm rows are copied as they lie, and their
 * gradients added a line of pixels at a time.
 */
import type { Tensor, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { declareKernel, read, write } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import { axesOf, outputSize, type Pair, type PictureShape, WINDOW_WORDS, type Window, windowWords } from "./window.ts"

/** Pixels before and after the picture, on both axes, such that every place is inside. */
const framing = (size: Pair, window: Window) =>
  axesOf(size, window).map(({ first, places, span }, axis): [number, number] => [
    -first,
    Math.max(0, (places - 1) * window.strides[axis]! + span + first - size[axis]!)
  ])

/** The places (k, l) of a kernel, in the order of a row. */
const placesOf = ({ kernel: [height, width] }: Window): ReadonlyArray<Pair> =>
  Array.from({ length: height * width }, (_, i): Pair => [Math.floor(i / width), i % width])

const reference = (x: Tensor4D, window: Window): Tensor2D => {
  const [batch, height, width, channels] = x.shape
  const size: Pair = [height, width]
  const { strides, dilation, kernel } = window
  const out = outputSize(size, window)
  const shape: [number, number] = [batch * out[0] * out[1], kernel[0] * kernel[1] * channels]
  if (shape[0] * shape[1] === 0) return tf.zeros<tf.Rank.R2>(shape)
  const [vertical, horizontal] = framing(size, window)
  const framed = tf.pad(x, [[0, 0], vertical!, horizontal!, [0, 0]])
  const shifted = placesOf(window).map(([k, l]) => {
    const begin = [k * dilation[0], l * dilation[1]]
    const end = begin.map((from, axis) => from + (out[axis]! - 1) * strides[axis]! + 1)
    return tf.stridedSlice(
      framed,
      [0, begin[0]!, begin[1]!, 0],
      [batch, end[0]!, end[1]!, channels],
      [1, ...strides, 1]
    )
  })
  return tf.reshape(tf.concat(shifted, 3), shape)
}

/**
 * Zeros between the rows of an axis of x [outer, n, inner], so that they are `stride` apart → [outer, (n − 1)·stride
 * + 1, inner]
 */
const apart = (x: Tensor, [outer, n, inner]: readonly [number, number, number], stride: number): Tensor => {
  if (stride === 1) return x
  const stuffed = tf.pad(tf.reshape(x, [outer, n, 1, inner]), [
    [0, 0],
    [0, 0],
    [0, stride - 1],
    [0, 0]
  ])
  return tf.slice(tf.reshape(stuffed, [outer, n * stride, inner]), [0, 0, 0], [outer, (n - 1) * stride + 1, inner])
}

const referenceBackward = (dy: Tensor, shape: PictureShape, window: Window): Tensor => {
  const [batch, height, width, channels] = shape
  const [rows, columns] = outputSize([height, width], window)
  if (dy.size === 0) return tf.zeros([...shape])
  const frame = framing([height, width], window)
  const canvas = [frame[0]![0] + height + frame[0]![1], frame[1]![0] + width + frame[1]![1]]
  const shifted = placesOf(window).map(([k, l], place) => {
    const dyOfPlace = tf.slice(dy, [0, place * channels], [dy.shape[0]!, channels])
    const tall = apart(dyOfPlace, [batch, rows, columns * channels], window.strides[0])
    const lines = (rows - 1) * window.strides[0] + 1
    const wide = apart(tall, [batch * lines, columns, channels], window.strides[1])
    const length = (columns - 1) * window.strides[1] + 1
    const [top, left] = [k * window.dilation[0], l * window.dilation[1]]
    const behind = (before: number, n: number, all: number): [number, number] => [before, all - before - n]
    const around: Array<[number, number]> = [
      [0, 0],
      behind(top, lines, canvas[0]!),
      behind(left, length, canvas[1]!),
      [0, 0]
    ]
    return tf.pad(tf.reshape(wide, [batch, lines, length, channels]), around)
  })
  return tf.slice(tf.addN(shifted), [0, frame[0]![0], frame[1]![0], 0], [...shape])
}

const forwardKernel = declareKernel({
  name: "patches",
  sameBits: true,
  buffers: { x: read("f32"), out: write("f32") },
  words: { ...WINDOW_WORDS, lines: "u32" },
  split: {
    over: "lines",
    cost: ({ columns, channels, kernelHeight, kernelWidth }) => columns * channels * kernelHeight * kernelWidth
  }
})

const backwardKernel = declareKernel({
  name: "patchesBackward",
  sameBits: true,
  buffers: { dy: read("f32"), dx: write("f32") },
  words: { ...WINDOW_WORDS, lines: "u32" },
  split: {
    over: "lines",
    cost: ({ width, channels, kernelHeight, kernelWidth }) => width * channels * kernelHeight * kernelWidth
  }
})

const backward = defineKernel<"dy", { readonly shape: PictureShape; readonly window: Window }>({
  name: "PatchesBackward",
  reference: ({ dy }, { shape, window }) => [referenceBackward(dy, shape, window)],
  wasm: ({ dy }, { shape, window }, engine) => {
    const dx = engine.output(shape)
    engine.run(backwardKernel, { dy, dx }, { ...windowWords(shape, window), lines: shape[0] * shape[1] })
    return [dx]
  }
})

const kernel = defineKernel<"x", { readonly shape: PictureShape; readonly window: Window }>({
  name: "Patches",
  reference: ({ x }, { window }) => [reference(x as Tensor4D, window)],
  wasm: ({ x }, { shape, window }, engine) => {
    const words = windowWords(shape, window)
    const length = words.kernelHeight * words.kernelWidth * words.channels
    const out = engine.output([words.batch * words.rows * words.columns, length])
    engine.run(forwardKernel, { x, out }, { ...words, lines: words.batch * words.rows })
    return [out]
  },
  gradient: ([dy], _saved, attributes) => ({ x: () => backward({ dy: dy! }, attributes)[0]! })
})

/**
 * Extracts the pixels of each window: x [batch, height, width, channels] → [batch · positions, kernel · channels]; gradient for x. For a 1×1
 * kernel these are the pixels themselves.
 */
export const patches = (x: Tensor4D, window: Window): Tensor2D => {
  const [batch, height, width, channels] = x.shape
  const { kernel: size, strides } = window
  if (size[0] * size[1] * strides[0] * strides[1] === 1) return tf.reshape(x, [batch * height * width, channels])
  return kernel({ x }, { shape: x.shape, window })[0] as Tensor2D
}

/** Computes dx of `patches` from dy; not differentiable. */
export const patchesBackward = (dy: Tensor, shape: PictureShape, window: Window): Tensor4D =>
  backward({ dy }, { shape, window })[0] as Tensor4D
