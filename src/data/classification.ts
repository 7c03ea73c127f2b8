/**
 * The `data` section of a plan, opened: every file scanned, the labels settled, the splits ready to be read.
 *
 * Classes are the plan's `labels` in their order, or the labels found in `train`, sorted by code unit (so that no
 * locale changes a run). A validation share is held out of `train` by seed, of each class its share.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DataSection } from "../../schemas/index.ts"
import { limit, overLimit } from "../boundary/index.ts"
import {
  DataError,
  dataError,
  joinDataErrors,
  labelHint,
  problemsShown,
  shownLabel,
  shownLabels
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

/** The splits of labelled texts, with the labels in the order of the classes. */
export interface ClassificationData {
  /** class i is the i-th; each once */
  readonly labels: ReadonlyArray<string>
  /** train, and those of the others that the plan has */
  readonly splits: BySplit<ClassificationSplit>
  /** what is not wrong but probably not meant, a sentence each */
  readonly warnings: ReadonlyArray<string>
  /** rows and class counts of every split, for a table */
  readonly describe: () => ReadonlyArray<SplitDescription>
}

/** A split with its rows, and how many each label has. */
export interface SplitDescription {
  /** which one */
  readonly split: "train" | "validation" | "test"
  /** its file, or the source's name */
  readonly where: string
  /** rows in it */
  readonly rows: number
  /** each label with its rows */
  readonly classes: ReadonlyArray<{
    /** as the rows have it */
    readonly label: string
    /** rows with this label */
    readonly rows: number
  }>
}

/**
 * Opens the files until the scope closes. `seed` decides which rows a validation share holds out. All problems at once.
 */
export const openClassification = (
  section: DataSection,
  seed: number
): Effect.Effect<ClassificationData, DataError, Scope.Scope> =>
  openSplits(section, seed, (path) => openLabelledFile(path, section))

/** The splits of labelled rows of any form, which `open` reads. */
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

/** The declared labels, or those of `train`, sorted by code unit. */
export const settleLabels = (declared: ReadonlyArray<string> | undefined, train: RowIndex): ReadonlyArray<string> =>
  declared ?? train.labels.map(({ label }) => label).sort()

/** What is wrong with more labels than a model has classes; undefined: nothing. */
export const tooManyLabels = (where: string, { length }: ReadonlyArray<string>): DataError | undefined => {
  if (length <= limit("classes")) return undefined
  const reason = `${length.toLocaleString("en")} different labels, more than ${overLimit("classes")}`
  return dataError(where, `${reason}; is this the right label column?`)
}

/** The labels of a file that are not among the classes, as one error, or nothing. `labelsIn`: those of a row's label, where it stands for several. */
export const labelProblems = (
  file: Scanned,
  labels: ReadonlyArray<string>,
  declared: boolean,
  labelsIn = (label: string): ReadonlyArray<string> => [label]
): ReadonlyArray<DataError> => {
  const known = new Set(labels)
  const unknown = file.index.labels.flatMap(({ label: own, ...row }) =>
    labelsIn(own).flatMap((label) => (known.has(label) ? [] : [{ label, ...row }]))
  )
  if (unknown.length === 0) return []
  const problems = unknown.slice(0, problemsShown).map(({ label, rows, firstRow }) => {
    const place = placeOfRow(file, firstRow)
    const source = declared ? "data.labels has" : "the training rows have"
    const count = rows === 1 ? "1 row" : `${rows} rows, this is the first`
    return `${place}: the label ${shownLabel(label)} (${count}) is not among the classes; ${source} ${shownLabels(labels)}${labelHint(label, labels)}`
  })
  return [new DataError({ where: file.where, problems, total: unknown.length })]
}

/** Rows of each label, of all rows of a file or of some. */
export const labelCounts = ({ labels, label }: RowIndex, rows?: Uint32Array): ReadonlyMap<string, number> => {
  if (rows === undefined) return new Map(labels.map((one) => [one.label, one.rows]))
  const counts = new Uint32Array(labels.length)
  for (const row of rows) counts[label(row)]! += 1
  return new Map(labels.flatMap((one, i) => (counts[i] === 0 ? [] : [[one.label, counts[i]!] as const])))
}

/** The same in the order of the classes. */
export const classCounts = (
  index: RowIndex,
  labels: ReadonlyArray<string>,
  rows?: Uint32Array
): ReadonlyArray<number> => {
  const counts = labelCounts(index, rows)
  return labels.map((label) => counts.get(label) ?? 0)
}

// Five times as many rows of one class as of another: a model that never names the rare one loses little by it. Few rows say nothing.
const [unbalanced, enough] = [5, 20]

/** What the classes of the training rows are to each other, where a few have most of the rows. */
const balanceWarnings = ({ train }: BySplit<ClassificationSplit>): ReadonlyArray<string> => {
  const counts = train.classCounts ?? []
  const some = counts.filter((count) => count > 0)
  const [most, least] = [Math.max(...some), Math.min(...some)]
  if (most < enough || most < unbalanced * least) return []
  const shown = (count: number) => {
    const share = `${((100 * count) / train.rows).toFixed(1)} %`
    return `${shownLabel(train.labels[counts.indexOf(count)]!)} ${count.toLocaleString("en")} (${share})`
  }
  return [
    `train (${train.where}): classes are unbalanced, the most frequent is ${shown(most)} and the rarest ${shown(least)}; accuracy says little of rare ones (macro-F1 does), and loss.classWeights: "balanced" weighs all classes alike`
  ]
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
        `${name} (${split.where}): all ${split.rows} rows have the label ${shownLabel(labels[only]!)}, so there is nothing to distinguish: add rows with other labels`
      ]
    return unseenLabels(name, split.where, labels, counts)
  })

/** A sentence where no row of a split has some of its labels. */
export const unseenLabels = (
  name: string,
  where: string,
  labels: ReadonlyArray<string>,
  counts: ReadonlyArray<number>
): ReadonlyArray<string> => {
  const without = labels.filter((_, i) => counts[i] === 0)
  return without.length === 0 ? [] : [`${name} (${where}): no row has the label ${shownLabels(without)}`]
}
