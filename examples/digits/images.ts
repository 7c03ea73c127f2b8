/** Digits as tfjs has them: images [n, 28, 28, 1] with grey values from 0 to 1, labels [n]. */
import * as tf from "@tensorflow/tfjs"
import { ADAPTATION, batches, type Images, inTask, readDigits, SIDE, type Task } from "../../bench/digits/images.ts"
import type { Models } from "../../src/index.ts"

export { ADAPTATION, type Digits, type Images, inTask, readDigits, type Task } from "../../bench/digits/images.ts"

const PIXELS = SIDE * SIDE

/** Images and labels as tensors, which the caller disposes. */
export const tensorsOf = ({ pixels, labels, count }: Images) => ({
  x: tf.tensor4d(pixels, [count, SIDE, SIDE, 1]),
  y: tf.tensor1d(Int32Array.from(labels), "int32")
})

/** One `{ xs, ys }` after another, as `tf.data` has it, in an order of its own. */
export const datasetOf = ({ pixels, labels, count }: Images): tf.data.Dataset<{ xs: tf.Tensor3D; ys: number }> => {
  function* rows() {
    for (let at = 0; at < count; at++) {
      yield { xs: tf.tensor3d(pixels.subarray(at * PIXELS, (at + 1) * PIXELS), [SIDE, SIDE, 1]), ys: labels[at]! }
    }
  }
  return tf.data.generator(rows as never).shuffle(count, "digits") as tf.data.Dataset<{ xs: tf.Tensor3D; ys: number }>
}

/** Some of the images as a batch on the host. */
export const batchOf = ({ pixels, labels }: Images, indices: ReadonlyArray<number>): Models.LayersBatch => {
  const size = indices.length
  const values = new Float32Array(size * PIXELS)
  indices.forEach((from, to) => {
    values.set(pixels.subarray(from * PIXELS, (from + 1) * PIXELS), to * PIXELS)
  })
  return {
    size,
    tokens: size,
    inputs: [{ values, shape: [size, SIDE, SIDE, 1], dtype: "float32" }],
    targets: [{ values: Int32Array.from(indices, (i) => labels[i]!), shape: [size], dtype: "int32" }]
  }
}

/** Batches of `size` without end, the order drawn anew for every epoch. */
export function* shuffled(images: Images, size: number, seed: number): Generator<Models.LayersBatch> {
  for (const indices of batches(images.count, size, seed)) yield batchOf(images, indices)
}

/** The images that a task is learnt from, and those that it is scored on. */
export const taskOf = (task: Task, { train, validation, test } = readDigits()) => ({
  train: inTask(train, task, ADAPTATION),
  validation: inTask(validation, task),
  test: inTask(test, task)
})

/** Images scored at a time */
const TOGETHER = 200

/**
 * Share of the images whose most probable digit is the right one.
 * `predict`: images [n, 28, 28, 1] → probabilities [n, 10].
 */
export const accuracyOf = async (predict: (x: tf.Tensor) => tf.Tensor, images: Images): Promise<number> => {
  let right = 0
  for (let at = 0; at < images.count; at += TOGETHER) {
    const [from, to] = [at * PIXELS, Math.min(at + TOGETHER, images.count) * PIXELS]
    const found = tf.tidy(() => {
      const x = tf.tensor4d(images.pixels.subarray(from, to), [(to - from) / PIXELS, SIDE, SIDE, 1])
      return tf.argMax(predict(x), 1)
    })
    const digits = await found.data()
    found.dispose()
    digits.forEach((digit, i) => {
      if (digit === images.labels[at + i]) right++
    })
  }
  return right / images.count
}
