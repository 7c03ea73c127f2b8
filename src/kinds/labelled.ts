/** What the two kinds of labelled rows share before weights are read: their metrics, and what is said of classes. */
import { cut, listed, listedLines, printableLine } from "../boundary/index.ts"
import type { SplitDescription } from "../data/index.ts"
import type { ClassEvaluation, Evaluation } from "../training/index.ts"
import { crossEntropyMetric, type Metrics, percent } from "../training/index.ts"
import type { Prediction } from "./kind.ts"

const share = { unit: "%", format: percent, better: "higher" } as const

export const classMetrics = {
  accuracy: { label: "accuracy", ...share, hub: { type: "accuracy", name: "Accuracy" } },
  macroF1: { label: "macro-F1", ...share, hub: { type: "f1", name: "Macro F1" } },
  loss: crossEntropyMetric
} satisfies Metrics

export const classHeadline = ["accuracy", "loss"] as const

/** "neg 675 (50.0 %), pos 675 (50.0 %)" */
export const classesText = ({ rows, classes }: SplitDescription): string =>
  listed(
    classes.map(
      (own) => `${shown(own.label)} ${own.rows.toLocaleString("en")} (${percent(rows === 0 ? 0 : own.rows / rows)})`
    )
  ).join(", ")

/** A label is a word of the data's: it may be anything. */
const shown = (label: string): string => printableLine(cut(label, 60))

/** "pos (98.1 %)", by the softmax probability of the label. */
export const labelText = ({ logits, label }: Prediction): string => {
  const own = logits[label]!
  const probability = 1 / Object.values(logits).reduce((sum, logit) => sum + Math.exp(logit - own), 0)
  return `${label} (${percent(probability)})`
}

// a table of more is no table: 2,000 classes would be 4 million cells
const mostInTable = 100

/** The confusion matrix as a table; of many classes the pairs that are confused most often. */
export const confusionText = (labels: ReadonlyArray<string>, evaluation: Evaluation): string => {
  const { confusion } = evaluation as ClassEvaluation
  const names = labels.map(shown)
  if (names.length > mostInTable) return confusedPairs(names, confusion)
  const width = Math.max(...names.map((name) => name.length), 6)
  const header = ["true \\ predicted", ...names.map((name) => name.padStart(width))].join("  ")
  const rows = confusion.map((row, i) =>
    [names[i]!.padEnd(16), ...row.map((count) => String(count).padStart(width))].join("  ")
  )
  return [header, ...rows].join("\n")
}

const confusedPairs = (names: ReadonlyArray<string>, confusion: ClassEvaluation["confusion"]): string => {
  const pairs = confusion.flatMap((row, actual) =>
    row.flatMap((count, predicted) => (count > 0 && actual !== predicted ? [{ actual, predicted, count }] : []))
  )
  const sorted = pairs.sort((a, b) => b.count - a.count)
  const line = (pair: (typeof pairs)[number]) =>
    `${pair.count}  ${names[pair.actual]!} taken for ${names[pair.predicted]!}`
  return [`${names.length} classes, those that are confused most often:`, listedLines(sorted, line)].join("\n")
}
