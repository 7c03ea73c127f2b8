/**
 * The `data` section of a plan, opened: every file scanned, the labels settled, the splits ready to be read.
 *
 * Classes are the plan's `labels` in their order, or the labels found in `train`, sorted by code unit (so that no
 * locale changes a run). A validation share is held out of `train` by seed, not stratified.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DataSection } from "../../schemas/data.ts"
import { type ClassificationSplit, classificationSplit } from "./classification-split.ts"
import { type DataError, joinDataErrors } from "./data-error.ts"
import { openLabelledFile } from "./labelled-file.ts"
import { classCounts, labelProblems, labelWarnings, settleLabels } from "./labels.ts"
import type { ScannedSource } from "./scan.ts"
import { subset } from "./source.ts"
import {
  type BySplit,
  mapSplits,
  openSplitFiles,
  repeatWarnings,
  rowsOfSplits,
  type SplitSection
} from "./split-files.ts"

export interface ClassificationData {
  readonly labels: ReadonlyArray<string>
  readonly splits: BySplit<ClassificationSplit>
  /** what is not wrong but probably not meant, a sentence each */
  readonly warnings: ReadonlyArray<string>
  /** rows and class counts of every split, for a table */
  readonly describe: () => ReadonlyArray<SplitDescription>
}

export interface SplitDescription {
  readonly split: "train" | "validation" | "test"
  readonly where: string
  readonly rows: number
  readonly classes: ReadonlyArray<{ readonly label: string; readonly rows: number }>
}

/**
 * Opens the files until the scope closes. `seed` decides which rows a validation share holds out. All problems at once.
 */
export const openClassification = (
  section: DataSection,
  seed: number
): Effect.Effect<ClassificationData, DataError, Scope.Scope> =>
  openSplits(section, seed, (path) => openLabelledFile(path, { text: section.text, label: section.label }))

/** The splits of labelled rows, whatever a row is: `open` knows. */
export const openSplits = (
  section: SplitSection & Pick<DataSection, "labels">,
  seed: number,
  open: (path: string) => Effect.Effect<ScannedSource, DataError, Scope.Scope>
): Effect.Effect<ClassificationData, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const files = yield* openSplitFiles(section, open)
    const labels = settleLabels(section.labels, files.train.index)
    const problems = Object.values(files).flatMap((file) => labelProblems(file, labels, section.labels !== undefined))
    if (problems.length > 0) return yield* joinDataErrors(problems)
    const rows = yield* rowsOfSplits(section, files, seed)
    const splits = mapSplits(rows, ({ file, rows }) => {
      const source = rows === undefined ? file : subset(file, rows, file.where)
      return classificationSplit(source, labels, classCounts(file.index, labels, rows))
    })
    const warnings = [...labelWarnings(splits, labels), ...repeatWarnings(rows)]
    return { labels, splits, warnings, describe: () => describe(splits) }
  })

const describe = (splits: ClassificationData["splits"]): ReadonlyArray<SplitDescription> =>
  (["train", "validation", "test"] as const).flatMap((name) => {
    const split = splits[name]
    if (split === undefined) return []
    const classes = split.labels.map((label, i) => ({ label, rows: split.classCounts?.[i] ?? 0 }))
    return [{ split: name, where: split.where, rows: split.rows, classes }]
  })
