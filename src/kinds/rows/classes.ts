/** Rows with one label each, before weights are read: metrics, the baseline, and descriptions of classes. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { LabelLoss } from "../../../schemas/index.ts"
import { cut, listed, listedLines, percent, printableLine, wholeNumber } from "../../boundary/index.ts"
import {
  type ClassificationData,
  type DataError,
  dataError,
  labelHint,
  quotedLabel,
  quotedLabels,
  type SplitDescription
} from "../../data/index.ts"
import { type ClassEvaluation, crossEntropyMetric, type Evaluation, type Metrics, share } from "../../training/index.ts"
import type { Baseline, Prediction } from "../contract/index.ts"

export const classMetrics = {
  accuracy: { label: "accuracy", ...share, hub: { type: "accuracy", name: "Accuracy" } },
  macroF1: { label: "macro-F1", ...share, hub: { type: "f1", name: "Macro F1" } },
  loss: crossEntropyMetric
} satisfies Metrics

/**
 * Selects the head if a plan names none: the checkpoint's (`described`) if its classes are these labels, with the labels in its order, or a
 * new one. `planned`: whether the plan gives the order of the labels.
 */
export const suitedHead = <E, R>(
  labels: ReadonlyArray<string> | undefined,
  planned: boolean,
  described: Effect.Effect<{ readonly labels: ReadonlyArray<string> }, E, R>
) =>
  Effect.map(Effect.option(described), (option) => {
    const modelLabels = Option.match(option, { onNone: () => [], onSome: (model) => model.labels })
    const order = (list: ReadonlyArray<string>) => (planned ? list : list.toSorted()).join("\0")
    const suits = labels !== undefined && labels.length > 0 && order(modelLabels) === order(labels)
    return suits
      ? ({ head: "checkpoint", labels: modelLabels } as const)
      : ({ head: "new", labels: undefined } as const)
  })

/** Opens labelled rows and fails if the plan's loss weights name an unknown class. */
export const withKnownWeights =
  ({ loss }: { readonly loss?: LabelLoss }) =>
  <Data extends ClassificationData, R>(opened: Effect.Effect<Data, DataError, R>): Effect.Effect<Data, DataError, R> =>
    Effect.gen(function* () {
      const data = yield* opened
      const { labels } = data
      const weighed = typeof loss?.classWeights === "object" ? Object.keys(loss.classWeights) : []
      const unknown = weighed.find((label) => !labels.includes(label))
      if (unknown === undefined) return data
      const reason = `the label ${quotedLabel(unknown)} is not among the classes; the training rows have ${quotedLabels(labels)}${labelHint(unknown, labels)}`
      return yield* dataError("loss.classWeights", reason)
    })

/**
 * Returns the baseline: the most frequent class of the training rows for every row of a split; ties are broken in label order. Its loss is
 * that of the training frequencies as probabilities, the lowest for a constant answer; left out if a class of the split has no training
 * row.
 */
export const majorityBaseline = (
  { splits, labels }: ClassificationData,
  split: "validation" | "test"
): Baseline | null => {
  const { classCounts: learned = [] } = splits.train
  const counts = splits[split]?.classCounts
  const rows = splits[split]?.rows ?? 0
  if (counts === undefined || rows === 0) return null
  const most = learned.indexOf(Math.max(...learned))
  const right = (counts[most] ?? 0) / rows
  // only one class has predictions: its precision is the fraction of correct rows, its recall 1
  const macroF1 = (2 * right) / (1 + right) / labels.length
  const learnedRows = learned.reduce((sum, count) => sum + count, 0)
  const loss = counts.reduce(
    (sum, count, i) => (count === 0 ? sum : sum - (count / rows) * Math.log((learned[i] ?? 0) / learnedRows)),
    0
  )
  const scores = { accuracy: right, macroF1, ...(Number.isFinite(loss) ? { loss } : {}) }
  return { of: `always “${safeLabel(labels[most]!)}”, the most frequent class`, scores }
}

/** Formats class counts: "neg 675 (50.0 %), pos 675 (50.0 %)". */
export const classesText = ({ rows, classes }: SplitDescription): string =>
  listed(
    classes.map(
      (entry) => `${safeLabel(entry.label)} ${wholeNumber(entry.rows)} (${percent(rows === 0 ? 0 : entry.rows / rows)})`
    )
  ).join(", ")

/** Formats a label, which can be any text of the data. */
const safeLabel = (label: string): string => printableLine(cut(label, 60))

/** Formats a label with its softmax probability: "pos (98.1 %)". */
export const labelText = ({ probabilities = {}, label }: Prediction): string =>
  `${label} (${percent(probabilities[label] ?? 0)})`

// larger tables are unreadable: 2,000 classes would be 4 million cells
const mostInTable = 100

/** Formats the confusion matrix as a table; for many classes, the pairs with the most confusions. */
export const confusionText = (labels: ReadonlyArray<string>, evaluation: Evaluation): string => {
  const { confusion } = evaluation as ClassEvaluation
  const names = labels.map(safeLabel)
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
  return [`${names.length} classes, most often confused:`, listedLines(sorted, line)].join("\n")
}

/** Facts shared by kinds with one label per row. */
export const classFacts = {
  metrics: classMetrics,
  headline: ["accuracy", "loss"],
  baseline: majorityBaseline,
  details: confusionText
} as const

export const classWords = { prediction: labelText, rows: classesText }
