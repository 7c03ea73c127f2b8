/** Labels and classes: which there are, which rows do not fit them, and what looks unintended. */
import { closest } from "../../schemas/closest.ts"
import type { ClassificationSplit } from "./classification-split.ts"
import { DataError, problemsShown } from "./data-error.ts"
import type { RowIndex } from "./row-index.ts"
import type { ScannedSource } from "./scan.ts"

/** The declared labels, or those of `train`, sorted by code unit. */
export const settleLabels = (declared: ReadonlyArray<string> | undefined, train: RowIndex): ReadonlyArray<string> =>
  declared ?? train.labels.map(({ label }) => label).sort()

// "did you mean" compares letter by letter: not with every one of 65,000 labels, each 500 characters long
const [longestHinted, mostHinted] = [60, 1_000]

/** The labels of a file that are no class, as one error, or nothing. */
export const labelProblems = (
  file: ScannedSource,
  labels: ReadonlyArray<string>,
  declared: boolean
): ReadonlyArray<DataError> => {
  const known = new Set(labels)
  const unknown = file.index.labels.filter(({ label }) => !known.has(label))
  if (unknown.length === 0) return []
  const problems = unknown.slice(0, problemsShown).map(({ label, rows, firstRow }) => {
    const place = `${file.where}:${file.index.line(firstRow)}`
    const near = closest(label.slice(0, longestHinted), labels.slice(0, mostHinted))
    const hint = near === undefined ? "" : `; did you mean "${near}"?`
    const source = declared ? "data.labels has" : "the training rows have"
    const count = rows === 1 ? "1 row" : `${rows} rows, this is the first`
    return `${place}: the label "${label}" (${count}) is not among the classes; ${source} ${listed(labels)}${hint}`
  })
  return [new DataError({ where: file.where, problems, total: unknown.length })]
}

/** Rows of each class, of all rows of a file or of some. */
export const classCounts = (
  index: RowIndex,
  labels: ReadonlyArray<string>,
  rows?: Uint32Array
): ReadonlyArray<number> => {
  const classOf = new Map(labels.map((label, i) => [label, i]))
  const counts = labels.map(() => 0)
  const classes = index.labels.map(({ label }) => classOf.get(label) ?? 0)
  if (rows === undefined) {
    index.labels.forEach((label, i) => {
      counts[classes[i]!]! += label.rows
    })
  } else {
    for (const row of rows) counts[classes[index.label(row)]!]! += 1
  }
  return counts
}

/** A split in which a class has no row, or one class has all of them. */
export const labelWarnings = (
  splits: { readonly [name in "train" | "validation" | "test"]?: ClassificationSplit },
  labels: ReadonlyArray<string>
): ReadonlyArray<string> =>
  Object.entries(splits).flatMap(([name, split]) => {
    const counts = split.classCounts ?? []
    const only = counts.indexOf(split.rows)
    if (only >= 0)
      return [
        `${name} (${split.where}): all ${split.rows} rows have the label "${labels[only]}", so there is nothing to tell apart`
      ]
    const without = labels.filter((_, i) => counts[i] === 0)
    return without.length === 0 ? [] : [`${name} (${split.where}): no row has the label ${listed(without)}`]
  })

const listed = (labels: ReadonlyArray<string>): string => {
  const shown = labels.slice(0, problemsShown).map((label) => `"${label}"`)
  return labels.length > shown.length
    ? `${shown.join(", ")} and ${labels.length - shown.length} more`
    : shown.join(", ")
}
