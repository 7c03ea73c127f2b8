/** Scores of predicted sets of labels, and the search for thresholds. */
import { type Metrics, numberMetric, type RowScore, type RowScores, rowsOf, share } from "../../../training/index.ts"

export const multiLabelMetrics = {
  microF1: { label: "micro-F1", ...share, hub: { type: "f1", name: "Micro F1" } },
  macroF1: { label: "macro-F1", ...share, hub: { type: "f1", name: "Macro F1" } },
  exactMatch: { label: "exact match", ...share, hub: { type: "exact_match", name: "Exact match" } },
  loss: numberMetric("loss", "binary cross-entropy", "lower", { type: "loss", name: "Binary cross-entropy" })
} satisfies Metrics

export const probabilityOf = (logit: number): number => 1 / (1 + Math.exp(-logit))

/** Returns the binary cross-entropy of one decision, log(1 + eᶻ) − y·z, without overflow. */
export const lossOf = (z: number, y: number): number => Math.max(z, 0) - z * y + Math.log1p(Math.exp(-Math.abs(z)))

const f1Of = (both: number, predicted: number, right: number): number =>
  predicted + right === 0 ? 0 : (2 * both) / (predicted + right)

/**
 * Returns multi-label scores. `logits`, `targets`: [rows, labels], row-major. Micro-F1 counts all pairs of row and label together; macro-F1
 * is the unweighted mean over labels, where a label that is neither present nor predicted counts 0.
 */
export const multiLabelScores = (
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  thresholds: ArrayLike<number>
): Record<keyof typeof multiLabelMetrics, number> => {
  const width = thresholds.length
  const rows = logits.length / width
  const [both, predicted, right] = [new Float64Array(width), new Float64Array(width), new Float64Array(width)]
  let [loss, exact] = [0, 0]
  for (let row = 0; row < rows; row++) {
    let same = true
    for (let i = 0; i < width; i++) {
      const [z, y] = [logits[row * width + i]!, targets[row * width + i]!]
      const has = probabilityOf(z) >= thresholds[i]! ? 1 : 0
      loss += lossOf(z, y)
      predicted[i]! += has
      right[i]! += y
      both[i]! += has * y
      if (has !== y) same = false
    }
    if (same) exact++
  }
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0)
  const each = Array.from(both, (truePositives, i) => f1Of(truePositives, predicted[i]!, right[i]!))
  return {
    loss: loss / logits.length,
    microF1: f1Of(sum(both), sum(predicted), sum(right)),
    macroF1: each.reduce((total, value) => total + value, 0) / width,
    exactMatch: exact / rows
  }
}

/** Returns each metric as a function of the rows. */
export const multiLabelRows = (
  logits: Float32Array,
  targets: Float32Array,
  thresholds: ArrayLike<number>
): RowScores => {
  const width = thresholds.length
  const score = (name: keyof typeof multiLabelMetrics): RowScore => ({
    size: logits.length / width,
    over: (rows) => multiLabelScores(rowsOf(logits, width, rows), rowsOf(targets, width, rows), thresholds)[name]
  })
  return { loss: score("loss"), microF1: score("microF1"), macroF1: score("macroF1"), exactMatch: score("exactMatch") }
}

/** Default threshold, used where no rows suggest a better one. */
export const USUAL_THRESHOLD = 0.5

/**
 * Returns the threshold of each label with the largest F1 on these rows: the midpoint of two probabilities; of several the nearest to ½.
 * Labels without rows keep ½.
 */
export const bestThresholds = (logits: Float32Array, targets: Float32Array, width: number): Float64Array => {
  const rows = logits.length / width
  return Float64Array.from({ length: width }, (_, i) => {
    const all = Array.from({ length: rows }, (_, row) => ({
      probability: probabilityOf(logits[row * width + i]!),
      has: targets[row * width + i]!
    })).sort((a, b) => b.probability - a.probability)
    const right = all.reduce((sum, { has }) => sum + has, 0)
    let best = { f1: 0, threshold: USUAL_THRESHOLD }
    let both = 0
    for (const [k, { probability, has }] of all.entries()) {
      both += has
      const next = all[k + 1]?.probability ?? 0
      if (next === probability) continue
      const threshold = (probability + next) / 2
      const f1 = f1Of(both, k + 1, right)
      const nearer = Math.abs(threshold - USUAL_THRESHOLD) < Math.abs(best.threshold - USUAL_THRESHOLD)
      if (f1 > best.f1 || (f1 > 0 && f1 === best.f1 && nearer)) best = { f1, threshold }
    }
    return best.threshold
  })
}
