/**
 * The patches under a convolution's kernel as rows, so that a convolution is a linear layer: y = patches·Wᵀ, where W [out, kernel·in] is
 * the kernel as a matrix. So an adapter meets a matrix there as anywhere else, and the paper's theory holds as it stands.
 *
 * Rows are gathered by number from the pixels, [batch·height·width, channels]; places beyond the edge name a row of zeros. Their
 * numbers are worked out once for a shape and kept on the host.
 */
import * as tf from "@tensorflow/tfjs"

export type Pair = readonly [height: number, width: number]

export interface Window {
  readonly kernel: Pair
  readonly strides: Pair
  readonly dilation: Pair
  /** "causal" pads before the first row alone (Conv1D, whose one axis is the height here) */
  readonly padding: "same" | "valid" | "causal"
}

/** Along one axis: the first place of the window, relative to the first pixel, and how many places there are. */
const axisOf = (size: number, kernel: number, stride: number, dilation: number, padding: Window["padding"]) => {
  const span = (kernel - 1) * dilation + 1
  if (padding === "valid") return { first: 0, places: Math.floor((size - span) / stride) + 1 }
  if (padding === "causal") return { first: 1 - span, places: Math.floor((size - 1) / stride) + 1 }
  const places = Math.ceil(size / stride)
  return { first: -Math.floor(Math.max(0, (places - 1) * stride + span - size) / 2), places }
}

/** [height, width] of the output. */
export const outputSize = ([height, width]: Pair, { kernel, strides, dilation, padding }: Window): Pair => [
  axisOf(height, kernel[0], strides[0], dilation[0], padding).places,
  axisOf(width, kernel[1], strides[1], dilation[1], padding).places
]

interface Numbers {
  readonly rows: Int32Array
  /** whether any of them lies beyond the edge */
  readonly framed: boolean
}

const numbersOf = (batch: number, [height, width]: Pair, { kernel, strides, dilation, padding }: Window): Numbers => {
  const vertical = axisOf(height, kernel[0], strides[0], dilation[0], padding)
  const horizontal = axisOf(width, kernel[1], strides[1], dilation[1], padding)
  const rows = new Int32Array(batch * vertical.places * horizontal.places * kernel[0] * kernel[1])
  const outside = batch * height * width
  let to = 0
  let framed = false
  for (let image = 0; image < batch; image++) {
    for (let i = 0; i < vertical.places; i++) {
      for (let j = 0; j < horizontal.places; j++) {
        for (let k = 0; k < kernel[0]; k++) {
          const y = vertical.first + i * strides[0] + k * dilation[0]
          for (let l = 0; l < kernel[1]; l++, to++) {
            const x = horizontal.first + j * strides[1] + l * dilation[1]
            const inside = y >= 0 && y < height && x >= 0 && x < width
            rows[to] = inside ? (image * height + y) * width + x : outside
            framed ||= !inside
          }
        }
      }
    }
  }
  return { rows, framed }
}

const kept = new Map<string, Numbers>()
/** Shapes are few; a program that meets ever new ones starts over. */
const MOST_KEPT = 64

const keptNumbers = (batch: number, size: Pair, window: Window): Numbers => {
  const key = JSON.stringify([batch, size, window])
  const found = kept.get(key) ?? numbersOf(batch, size, window)
  if (kept.size >= MOST_KEPT) kept.clear()
  kept.set(key, found)
  return found
}

/** x [batch, height, width, channels] → [batch · places, kernel · channels], channels last in a row. */
export const patches = (x: tf.Tensor4D, window: Window): tf.Tensor2D => {
  const [batch, height, width, channels] = x.shape
  const { kernel, strides } = window
  const pixels = tf.reshape<tf.Rank.R2>(x, [batch * height * width, channels])
  if (kernel[0] * kernel[1] === 1 && strides[0] * strides[1] === 1) return pixels
  const { rows, framed } = keptNumbers(batch, [height, width], window)
  const from = framed ? tf.concat([pixels, tf.zeros<tf.Rank.R2>([1, channels])]) : pixels
  return tf.reshape(tf.gather(from, tf.tensor1d(rows, "int32")), [-1, kernel[0] * kernel[1] * channels])
}
