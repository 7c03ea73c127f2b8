/**
 * Softmax cross-entropy with integer labels, as one kernel: the mean over the rows that count.
 *
 *   loss = 1/N Σ_i (log Σ_j exp(z_ij − m_i) − (z_i,label − m_i)),  m_i = max_j z_ij        N: rows whose label is not `ignored`
 *   dz_ij = (exp(z_ij − m_i)/Σ_j exp(z_ij − m_i) − [j = label_i])/N for these, 0 for the others
 *
 * Shapes: z [rows, classes], labels int32 [rows]. Saved: z, the labels and two numbers a row, m and the sum; the softmax exists only in
 * dz. (m and the sum rather than their combination log Σ exp z, whose digits a large m would take away.)
 *
 * Where no row counts, the mean is 0 and so is its gradient: such a batch changes nothing. (PyTorch says NaN.) A label that is neither
 * a class nor `ignored` makes the loss and its row's gradient NaN, so that it cannot pass unseen.
 */
import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { declareKernel, read, write } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import { programs } from "./webgpu/loaded.ts"

/** Label of rows that do not count in the loss, as in PyTorch. */
export const IGNORED = -100

interface Attributes {
  readonly ignored: number
}

/** Cost of an exponential, in multiplications. */
const COST = 16

/** Returns 1 for each row that counts and 0 for the others, and 1/N with N the number of rows that count, at least 1. */
export const counted = (labels: Tensor, ignored: number): readonly [Tensor, Tensor] => {
  const counts = tf.cast(tf.notEqual(labels, tf.scalar(ignored, "int32")), "float32")
  return [counts, tf.div(1, tf.maximum(tf.sum(counts), 1))]
}

/** Returns 0 for each valid class label and NaN for each invalid one. Shape [rows]. */
export const wrong = (labels: Tensor, classes: number): Tensor => {
  const isClass = tf.logicalAnd(tf.greaterEqual(labels, 0), tf.less(labels, classes))
  return tf.where(isClass, tf.zeros(labels.shape), tf.fill(labels.shape, Number.NaN))
}

/**
 * Returns the labels as one-hot rows, shape [rows, classes]. Unlike tf.oneHot it accepts a single class, which is reason for a warning, not a
 * failure.
 */
export const oneHot = (labels: Tensor, classes: number): Tensor =>
  tf.cast(tf.equal(tf.expandDims(labels, 1), tf.range(0, classes, 1, "int32")), "float32")

const reference = (z: Tensor, labels: Tensor, ignored: number): ReadonlyArray<Tensor> => {
  const classes = z.shape[1]!
  const m = tf.max(z, 1, true)
  const shifted = tf.sub(z, m)
  const sum = tf.sum(tf.exp(shifted), 1, true)
  const [counts, share] = counted(labels, ignored)
  // a place that is −∞ must not meet the 0 of another class
  const labelLogits = tf.sum(tf.where(tf.cast(oneHot(labels, classes), "bool"), shifted, tf.zerosLike(shifted)), 1)
  const losses = tf.add(tf.sub(tf.log(tf.squeeze(sum, [1])), labelLogits), wrong(labels, classes))
  const counting = tf.where(tf.cast(counts, "bool"), losses, tf.zerosLike(losses))
  return [tf.mul(tf.sum(counting), share), tf.concat([m, sum], 1)]
}

const referenceBackward = (
  dy: Tensor,
  z: Tensor,
  labels: Tensor,
  statistics: Tensor,
  ignored: number
): ReadonlyArray<Tensor> => {
  if (z.size === 0) return [tf.zerosLike(z)] // tfjs cannot split what is empty
  const classes = z.shape[1]!
  const [m, sum] = tf.split(statistics, 2, 1) as [Tensor, Tensor]
  const [counts, share] = counted(labels, ignored)
  const difference = tf.sub(tf.div(tf.exp(tf.sub(z, m)), sum), oneHot(labels, classes))
  const checked = tf.add(difference, tf.expandDims(wrong(labels, classes), 1))
  const counting = tf.cast(tf.mul(tf.expandDims(counts, 1), tf.onesLike(checked)), "bool")
  return [tf.mul(tf.where(counting, checked, tf.zerosLike(checked)), tf.mul(share, dy))]
}

const ROWS = { rows: "u32", classes: "u32", ignored: "i32" } as const
const SPLIT = {
  over: "rows",
  cost: ({ classes }: { readonly classes: number }) => classes * COST
} as const

/** of a row: m and Σ exp(z − m) */
const statisticsKernel = declareKernel({
  name: "crossEntropyStatistics",
  buffers: { z: read("f32"), statistics: write("f32") },
  words: { rows: "u32", classes: "u32" },
  split: SPLIT
})

const meanKernel = declareKernel({
  name: "crossEntropyMean",
  buffers: { z: read("f32"), labels: read("i32"), statistics: read("f32"), loss: write("f32") },
  words: ROWS
})

const backwardKernel = declareKernel({
  name: "crossEntropyBackward",
  buffers: { dy: read("f32"), z: read("f32"), labels: read("i32"), statistics: read("f32"), dz: write("f32") },
  words: ROWS,
  split: SPLIT
})

const backward = defineKernel<"dy" | "z" | "labels" | "statistics", Attributes>({
  name: "SparseCrossEntropyBackward",
  reference: ({ dy, z, labels, statistics }, { ignored }) => referenceBackward(dy, z, labels, statistics, ignored),
  wasm: ({ dy, z, labels, statistics }, { ignored }, engine) => {
    const dz = engine.output(z.shape)
    const [rows, classes] = z.shape as [number, number]
    engine.run(backwardKernel, { dy, z, labels, statistics, dz }, { rows, classes, ignored })
    return [dz]
  },
  webgpu: (inputs, { ignored }, engine) => [programs().crossEntropyBackwardOnWebgpu(engine, inputs, ignored)]
})

const forward = defineKernel<"z" | "labels", Attributes>({
  name: "SparseCrossEntropy",
  reference: ({ z, labels }, { ignored }) => reference(z, labels, ignored),
  wasm: ({ z, labels }, { ignored }, engine) => {
    const [loss, statistics] = [engine.output([]), engine.output([z.shape[0]!, 2])]
    const [rows, classes] = z.shape as [number, number]
    engine.run(statisticsKernel, { z, statistics }, { rows, classes })
    engine.run(meanKernel, { z, labels, statistics, loss }, { rows, classes, ignored })
    return [loss, statistics]
  },
  webgpu: ({ z, labels }, { ignored }, engine) => programs().crossEntropyOnWebgpu(engine, z, labels, ignored),
  inputsToSave: ["z", "labels"],
  outputsToSave: [false, true],
  gradient: ([dy], [z, labels, statistics], attributes) => ({
    z: () => backward({ dy: dy!, z: z!, labels: labels!, statistics: statistics! }, attributes)[0]!
  })
})

/**
 * Computes the mean cross-entropy of logits z [rows, classes] with labels int32 [rows], a scalar; gradient for z. Rows labelled `ignored` do not
 * count.
 */
export const sparseCrossEntropy = (z: Tensor2D, labels: Tensor1D, ignored = IGNORED): Scalar => {
  const [loss, statistics] = forward({ z, labels }, { ignored })
  statistics!.dispose() // the tape holds its own handle
  return loss as Scalar
}
