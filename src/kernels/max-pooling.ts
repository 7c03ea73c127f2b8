/**
 * The maximum over windows of a picture, for each channel.
 *
 *   y[n, i, j, c] = max x[n, i·stride + k + first, …, c]
 *   dx: dy goes to the first pixel of the window that has the maximum
 *
 * Shapes: x [batch, height, width, channels] → [batch, rows, columns, channels].
 *
 * The forward pass is tfjs's own. Its gradient on wasm is not: in tfjs 4.22 it gives wrong numbers for nearly every
 * window (tensorflow/tfjs#5920). Ours takes the maxima that are saved, and finds them again.
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

/** 1 where a window has its maximum for the first time, in patches [places, kernel, channels]. */
const firstMaxima = (x: Tensor4D, y: Tensor, window: Window): Tensor => {
  const channels = x.shape[3]
  const cut = (picture: Tensor4D) => {
    const P = patches(picture, window)
    return tf.reshape(P, [P.shape[0], P.shape[1] / channels, channels])
  }
  const inside = cut(tf.onesLike(x)) // 0 in the padding, which is no pixel
  const isLargest = tf.mul(
    tf.cast(tf.equal(cut(x), tf.reshape(y, [y.size / channels, 1, channels])), "float32"),
    inside
  )
  return tf.mul(isLargest, tf.cast(tf.equal(tf.cumsum(isLargest, 1), 1), "float32"))
}

const backwardKernel = declareKernel({
  name: "maxPoolingBackward",
  sameBits: true,
  buffers: { x: read("f32"), y: read("f32"), dy: read("f32"), dx: write("f32") },
  words: WINDOW_WORDS,
  split: {
    over: "batch",
    cost: ({ rows, columns, channels, kernelHeight, kernelWidth }) =>
      rows * columns * channels * kernelHeight * kernelWidth
  }
})

const backward = defineKernel<"dy" | "x" | "y", Attributes>({
  name: "MaxPoolingBackward",
  reference: ({ dy, x, y }, { window, shape }) => {
    if (dy.size === 0) return [tf.zeros([...shape])]
    const first = firstMaxima(x as Tensor4D, y, window)
    const dP = tf.mul(first, tf.reshape(dy, [dy.size / shape[3], 1, shape[3]]))
    return [patchesBackward(tf.reshape(dP, [dP.shape[0]!, dP.size / dP.shape[0]!]), shape, window)]
  },
  wasm: ({ dy, x, y }, { window, shape }, engine) => {
    const dx = engine.output(shape)
    engine.run(backwardKernel, { x, y, dy, dx }, windowWords(shape, window))
    return [dx]
  }
})

const kernel = defineKernel<"x", Attributes>({
  name: "MaxPooling",
  reference: ({ x }, { window: { kernel: size, strides, padding } }) => [
    tf.maxPool(x as Tensor4D, [...size], [...strides], padding === "same" ? "same" : "valid")
  ],
  inputsToSave: ["x"],
  outputsToSave: [true],
  gradient: ([dy], [x, y], attributes) => ({ x: () => backward({ dy: dy!, x: x!, y: y! }, attributes)[0]! })
})

/** Takes the maximum of each window: x [batch, height, width, channels] → [batch, rows, columns, channels]; gradient for x. No dilation. */
export const maxPooling = (x: Tensor4D, window: Window): Tensor4D =>
  kernel({ x }, { window, shape: x.shape })[0] as Tensor4D
