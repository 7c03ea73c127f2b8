/** Multi-label text classification with a Hugging Face encoder: plans. */

import type { MultiLabelPlan } from "../../../../schemas/index.ts"
import { percent } from "../../../boundary/index.ts"
import { setOf } from "../../../data/index.ts"
import type { Baseline, Prediction } from "../../contract/index.ts"
import { classesText } from "../../rows/classes.ts"
import { detectTags } from "../detect.ts"
import { headKind } from "../kind.ts"
import { type MultiLabelData, openMultiLabel } from "./data.ts"
import { multiLabelMetrics } from "./scores.ts"

export const multiLabel = headKind<MultiLabelPlan, MultiLabelData>({
  metrics: multiLabelMetrics,
  headline: ["microF1", "loss"],
  baseline: (data, split) => frequentBaseline(data, split),
  open: ({ data, seed }) => openMultiLabel(data, seed),
  outputs: { fromRows: ({ labels }) => labels, planned: ({ labels, labelColumns }) => labels ?? labelColumns },
  settled: ({ labels }) => ({ labels: [...labels] }),
  classes: true,
  words: {
    prediction: (prediction) => predictionText(prediction),
    rows: (split) => classesText({ ...split, classes: split.classes ?? [] })
  },
  detecting: detectTags,
  runner: () => import("./run.ts").then(({ runMultiLabel }) => runMultiLabel),
  publisher: () => import("./publish.ts").then(({ publishMultiLabel }) => publishMultiLabel)
})

/** Formats predicted labels: "praise (98.1 %), craft (61.0 %)". */
const predictionText = ({ label, labels = [], probabilities = {} }: Prediction): string =>
  labels.length === 0 ? label : labels.map((name) => `${name} (${percent(probabilities[name] ?? 0)})`).join(", ")

/** Returns the baseline: the labels of at least half of the training rows, or else the most frequent label, for every row of a split. */
const frequentBaseline = ({ splits, labels }: MultiLabelData, split: "validation" | "test"): Baseline | null => {
  const ofSplit = splits[split]
  const { counts, rows } = splits.train
  if (ofSplit === undefined || ofSplit.rows === 0) return null
  const half = labels.filter((_, i) => counts[i]! >= rows / 2)
  const most = labels[counts.indexOf(Math.max(...counts))]!
  const predicted = half.length > 0 ? half : [most]
  const right = labels.map((label, i) => (predicted.includes(label) ? ofSplit.counts[i]! : 0))
  const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)
  const each = labels.map((label, i) =>
    predicted.includes(label) ? (2 * right[i]!) / (ofSplit.rows + ofSplit.counts[i]!) : 0
  )
  return {
    of: `always “${predicted.join(", ")}”, ${half.length > 0 ? "that at least half of the training rows have" : "the most frequent label"}`,
    scores: {
      microF1: (2 * sum(right)) / (predicted.length * ofSplit.rows + sum(ofSplit.counts)),
      macroF1: sum(each) / labels.length,
      exactMatch: (ofSplit.sets.get(setOf(predicted)) ?? 0) / ofSplit.rows
    }
  }
}
