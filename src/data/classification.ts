/**
 * Opens the `data` section of a plan: scans every file, determines the labels, and prepares the splits for reading.
 *
 * Classes are the plan's `labels` in order, or the labels in `train`, sorted by code unit (so that runs do not depend on the
 * locale). A validation share is held out of `train` by seed, stratified by class.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DataSection } from "../../schemas/index.ts"
import { limit, overLimit, percent, wholeNumber } from "../boundary/index.ts"
import {
  DataError,
  dataError,
  joinDataErrors,
  labelHint,
  mostProblems,
  quotedLabel,
  quotedLabels
} from "./data-error.ts"
import { openLabelledFile } from "./labelled-rows.ts"
import type { RowIndex } from "./row-index.ts"
import { placeOfRow, type Scanned, type ScannedSource } from "./scan.ts"
import { type ClassificationSplit, classificationSplit } from "./source.ts"
import {
  type BySplit,
  describedSplits,
  mapSplits,
  openSplitFiles,
  repeatWarnings,
  rowsOfSplits,
  type SplitSection,
  sourceOf
} from "./splits.ts"

/** Splits of labelled texts, with the labels in class order. */
export interface ClassificationData {
  /** distinct labels; class i is the i-th */
  readonly labels: ReadonlyArray<string>
  /** train, and the other splits of the plan */
  readonly splits: BySplit<ClassificationSplit>
  /** probable mistakes that are not errors, one sentence each */
  readonly warnings: ReadonlyArray<string>
  /** Returns rows and class counts of every split, for a table. */
  readonly describe: () => ReadonlyArray<SplitDescription>
}

/** A split with its number of rows, in total and per label. */
export interface SplitDescription {
  /** name of the split */
  readonly split: "train" | "validation" | "test"
  /** its file, or the name of the source */
  readonly where: string
  /** number of rows */
  readonly rows: number
  /** rows of each label */
  readonly classes: ReadonlyArray<{
    /** label as in the rows */
    readonly label: string
    /** rows with this label */
    readonly rows: number
  }>
}

/**
 * Opens the files until the scope closes. `seed` determines which rows a validation share holds out. Fails with all problems.
 */
export const openClassification = (
  section: DataSection,
  seed: number
): Effect.Effect<ClassificationData, DataError, Scope.Scope> =>
  openSplits(section, seed, (path) => openLabelledFile(path, section))

/** Opens the splits of labelled rows of any form, which `open` reads. */
export const openSplits = <R = never>(
  section: SplitSection & Pick<DataSection, "labels">,
  seed: number,
  open: (path: string) => Effect.Effect<ScannedSource, DataError, R | Scope.Scope>
): Effect.Effect<ClassificationData, DataError, R | Scope.Scope> =>
  Effect.gen(function* () {
    const files = yield* openSplitFiles(section, open)
    const labels = settleLabels(section.labels, files.train.index)
    const many = tooManyLabels(files.train.where, labels)
    if (many !== undefined) return yield* many
    const problems = Object.values(files).flatMap((file) => labelProblems(file, labels, section.labels !== undefined))
    if (problems.length > 0) return yield* joinDataErrors(problems)
    const rows = yield* rowsOfSplits(section, files, seed)
    const splits = mapSplits(rows, (some) =>
      classificationSplit(sourceOf(some), labels, classCounts(some.file.index, labels, some.rows))
    )
    const warnings = [...labelWarnings(splits, labels), ...balanceWarnings(splits), ...repeatWarnings(rows)]
    return { labels, splits, warnings, describe: () => describe(splits) }
  })

const describe = (splits: ClassificationData["splits"]): ReadonlyArray<SplitDescription> =>
  describedSplits(splits, ({ labels, classCounts }) => ({
    classes: labels.map((label, i) => ({ label, rows: classCounts?.[i] ?? 0 }))
  }))

/** Returns the declared labels, or those in `train`, sorted by code unit. */
export const settleLabels = (declared: ReadonlyArray<string> | undefined, train: RowIndex): ReadonlyArray<string> =>
  declared ?? train.labels.map(({ label }) => label).sort()

/** Returns an error message if there are more labels than a model may have classes, or undefined. */
export const tooManyLabels = (where: string, { length }: ReadonlyArray<string>): DataError | undefined => {
  if (length <= limit("classes")) return undefined
  const reason = `${wholeNumber(length)} different labels, more than ${overLimit("classes")}`
  return dataError(where, `${reason}; is this the right label column?`)
}

/** Returns one error for the labels of a file that are not classes, or undefined. `labelsIn`: splits a row's label that stands for several. */
export const labelProblems = (
  file: Scanned,
  labels: ReadonlyArray<string>,
  declared: boolean,
  labelsIn = (label: string): ReadonlyArray<string> => [label]
): ReadonlyArray<DataError> => {
  const classes = new Set(labels)
  const unknownLabels = file.index.labels.flatMap(({ label: rowLabel, ...row }) =>
    labelsIn(rowLabel).flatMap((label) => (classes.has(label) ? [] : [{ label, ...row }]))
  )
  if (unknownLabels.length === 0) return []
  const problems = unknownLabels.slice(0, mostProblems).map(({ label, rows, firstRow }) => {
    const location = placeOfRow(file, firstRow)
    const source = declared ? "data.labels has" : "the training rows have"
    const count = rows === 1 ? "1 row" : `${rows} rows, this is the first`
    return `${location}: the label ${quotedLabel(label)} (${count}) is not among the classes; ${source} ${quotedLabels(labels)}${labelHint(label, labels)}`
  })
  return [new DataError({ where: file.where, problems, total: unknownLabels.length })]
}

/** Counts the rows of each label, in all rows of a file or some. */
export const labelCounts = ({ labels, label }: RowIndex, rows?: Uint32Array): ReadonlyMap<string, number> => {
  if (rows === undefined) return new Map(labels.map((counted) => [counted.label, counted.rows]))
  const counts = new Uint32Array(labels.length)
  for (const row of rows) counts[label(row)]! += 1
  return new Map(labels.flatMap((counted, i) => (counts[i] === 0 ? [] : [[counted.label, counts[i]!] as const])))
}

/** Returns the numbers of rows per class, in class order. */
export const classCounts = (
  index: RowIndex,
  labels: ReadonlyArray<string>,
  rows?: Uint32Array
): ReadonlyArray<number> => {
  const counts = labelCounts(index, rows)
  return labels.map((label) => counts.get(label) ?? 0)
}

// One class has five times as many rows as another: a model that never predicts the rare one loses little. Few rows are no evidence.
const [unbalanced, enough] = [5, 20]

/** Warns of imbalanced classes in the training rows. */
const balanceWarnings = ({ train }: BySplit<ClassificationSplit>): ReadonlyArray<string> => {
  const counts = train.classCounts ?? []
  const some = counts.filter((count) => count > 0)
  const [most, least] = [Math.max(...some), Math.min(...some)]
  if (most < enough || most < unbalanced * least) return []
  const countText = (count: number) => {
    return `${quotedLabel(train.labels[counts.indexOf(count)]!)} ${wholeNumber(count)} (${percent(count / train.rows)})`
  }
  return [
    `train (${train.where}): classes are unbalanced, the most frequent is ${countText(most)} and the rarest ${countText(least)}; accuracy says little about rare classes (use macro-F1), and loss.classWeights: "balanced" gives all classes the same weight`
  ]
}

/** Warns of splits in which a class has no row, or one class has all of them. */
export const labelWarnings = (
  splits: { readonly [name in "train" | "validation" | "test"]?: ClassificationSplit },
  labels: ReadonlyArray<string>
): ReadonlyArray<string> =>
  Object.entries(splits).flatMap(([name, split]) => {
    const counts = split.classCounts ?? []
    const only = counts.indexOf(split.rows)
    if (only >= 0)
      return [
        `${name} (${split.where}): all ${split.rows} rows have the label ${quotedLabel(labels[only]!)}; classification needs at least two: add rows with other labels`
      ]
    return unseenLabels(name, split.where, labels, counts)
  })

/** Warns of labels without rows in a split. */
export const unseenLabels = (
  name: string,
  where: string,
  labels: ReadonlyArray<string>,
  counts: ReadonlyArray<number>
): ReadonlyArray<string> => {
  const without = labels.filter((_, i) => counts[i] === 0)
  return without.length === 0 ? [] : [`${name} (${where}): no row has the label ${quotedLabels(without)}`]
}
