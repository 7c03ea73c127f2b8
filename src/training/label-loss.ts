/** The loss of labelled rows with class weights and label smoothing: loaded by runs that have it. */
import * as tf from "@tensorflow/tfjs-core"
import { labelSmoothing, settled } from "../../schemas/index.ts"
import { crossEntropy, type Loss } from "./loss.ts"

/** Options for `labelCrossEntropy`. */
export interface LabelLossOptions {
  /** weight of each class, greater than 0; default: equal weights */
  readonly weights?: ReadonlyArray<number> | undefined
  /** label smoothing ε in [0, 1), the part of the target distributed equally over all classes; default 0 */
  readonly smoothing?: number | undefined
}

const positiveNumbers = {
  expected: "a list of numbers greater than 0",
  is: (value: unknown) => Array.isArray(value) && value.every((weight) => Number.isFinite(weight) && weight > 0)
}
const labelLossSettings = {
  weights: { of: positiveNumbers, optional: true },
  smoothing: labelSmoothing
} as const

/**
 * Creates cross-entropy with class weights and label smoothing, as PyTorch's CrossEntropyLoss(weight, label_smoothing), of classes 0 … K − 1:
 *
 *   ℓᵢ = −(1 − ε) w_yᵢ log p_i,yᵢ − ε/K Σ_c w_c log p_i,c        L = Σᵢ ℓᵢ / Σᵢ w_yᵢ
 *
 * Returns `crossEntropy` without weights and smoothing. With gradient accumulation, a step's loss is the mean of its batches' L,
 * weighted by their rows.
 */
export const labelCrossEntropy = (options: LabelLossOptions): Loss => {
  const { weights, smoothing } = settled("labelCrossEntropy", labelLossSettings, options)
  if (weights === undefined && smoothing === 0) return crossEntropy
  return (logits, labels) => {
    const classes = logits.shape[1]!
    const classWeights = weights ?? new Array<number>(classes).fill(1)
    // row y: what the log-probabilities of a row of class y are multiplied by
    const shares = classWeights.map((weight, y) =>
      classWeights.map((other, c) => (c === y ? (1 - smoothing) * weight : 0) + (smoothing / classes) * other)
    )
    const chosen = tf.gather(tf.tensor2d(shares), labels)
    const total = tf.sum(tf.gather(tf.tensor1d([...classWeights]), labels))
    return tf.neg(tf.div(tf.sum(tf.mul(chosen, tf.logSoftmax(logits))), total))
  }
}
