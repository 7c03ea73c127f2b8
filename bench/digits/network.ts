/**
 * A small convolutional network of linear layers: a convolution is a product over patches, so that an adapter meets a
 * matrix W [out, 9·channels] there as anywhere else, and the backward pass is made of products (tfjs has no fast
 * gradient of a convolution on cpu and wasm).
 *
 *   conv 3×3, 16 → pool 2×2 → relu → conv 3×3, 32 → pool 2×2 → relu → dense 128 → relu → dense 10
 *
 * Shapes: images [n, 28, 28], first patches [n·28·28, 9], logits [n, 10].
 */
import * as tf from "@tensorflow/tfjs"
import type { Linear, LinearSite } from "../../src/tensors/trainable.ts"
import { type Images, SIDE } from "./images.ts"

const site = (name: string, out: number, columns: number): LinearSite => ({ name, kind: "dense", out, in: columns })

const HALF = SIDE / 2
const QUARTER = SIDE / 4
const CHANNELS = [16, 32] as const

export const layers = {
  first: site("first", CHANNELS[0], 9),
  second: site("second", CHANNELS[1], 9 * CHANNELS[0]),
  hidden: site("hidden", 128, QUARTER * QUARTER * CHANNELS[1]),
  output: site("output", 10, 128)
} as const

export const sites: ReadonlyArray<LinearSite> = Object.values(layers)

/**
 * The 3×3 neighbourhoods of every pixel as indices into the rows of [n·side·side] pixels; −1 beyond the edge. Pixels
 * come in four blocks, one for each place in a square of the pooling, so that the pooling is the maximum of four
 * contiguous parts.
 */
const neighbours = (images: number, side: number): Int32Array => {
  const indices = new Int32Array(images * side * side * 9)
  let to = 0
  for (const [dy, dx] of [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1]
  ] as const) {
    for (let image = 0; image < images; image++) {
      for (let y = dy; y < side; y += 2) {
        for (let x = dx; x < side; x += 2) {
          for (let i = y - 1; i <= y + 1; i++) {
            for (let j = x - 1; j <= x + 1; j++, to++) {
              const inside = i >= 0 && i < side && j >= 0 && j < side
              indices[to] = inside ? (image * side + i) * side + j : -1
            }
          }
        }
      }
    }
  }
  return indices
}

const kept = new Map<string, Int32Array>()

const neighboursOf = (images: number, side: number): Int32Array => {
  const key = `${images}×${side}`
  const found = kept.get(key) ?? neighbours(images, side)
  kept.set(key, found)
  return found
}

/** Patches of some images: [n·28·28, 9]. */
export const imagePatches = ({ pixels }: Images, indices: ReadonlyArray<number>): tf.Tensor2D => {
  const chosen = new Float32Array(indices.length * SIDE * SIDE)
  indices.forEach((from, to) => {
    chosen.set(pixels.subarray(from * SIDE * SIDE, (from + 1) * SIDE * SIDE), to * SIDE * SIDE)
  })
  const patches = Float32Array.from(neighboursOf(indices.length, SIDE), (at) => (at < 0 ? 0 : chosen[at]!))
  return tf.tensor2d(patches, [chosen.length, 9])
}

/**
 * Patches of a feature map [n·side·side, channels]: [n·side·side, 9·channels]. Beyond the edge stands a row of zeros,
 * the last.
 */
const mapPatches = (map: tf.Tensor2D, side: number): tf.Tensor2D => {
  const [rows, channels] = map.shape
  const indices = neighboursOf(rows / (side * side), side).map((at) => (at < 0 ? rows : at))
  const framed = tf.concat([map, tf.zeros<tf.Rank.R2>([1, channels])])
  return tf.reshape(tf.gather(framed, tf.tensor1d(indices, "int32")), [rows, 9 * channels])
}

/** Maxima of the four blocks of a feature map [n·side·side, channels]: [n·side/2·side/2, channels], image by image. */
const pooled = (map: tf.Tensor2D): tf.Tensor2D => {
  const [rows, channels] = map.shape
  const block = (at: number) => tf.slice(map, [(at * rows) / 4, 0], [rows / 4, channels])
  return tf.maximum(tf.maximum(block(0), block(1)), tf.maximum(block(2), block(3)))
}

/** Logits [n, 10] from the first patches. */
export const forward = (patches: tf.Tensor2D, linear: Linear): tf.Tensor2D => {
  const first = tf.relu(pooled(linear(layers.first, patches)))
  const second = tf.relu(pooled(linear(layers.second, mapPatches(first, HALF))))
  const flat = tf.reshape<tf.Rank.R2>(second, [second.shape[0] / (QUARTER * QUARTER), layers.hidden.in])
  return linear(layers.output, tf.relu(linear(layers.hidden, flat)))
}
