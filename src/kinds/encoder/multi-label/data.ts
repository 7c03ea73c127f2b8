/** Opens the `data` section of multi-label plans: scans every file, determines the labels and builds the splits. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { MultiLabelSection } from "../../../../schemas/index.ts"
import {
  type BySplit,
  type DataError,
  dataError,
  describedSplits,
  joinDataErrors,
  type LabelsText,
  labelCounts,
  labelledTargets,
  labelProblems,
  labelsOf,
  labelTargets,
  mapSplits,
  openSplitFiles,
  openTextFile,
  type RowSource,
  repeatWarnings,
  rowsOfSplits,
  sourceOf,
  type TargetText,
  tooManyLabels,
  unseenLabels
} from "../../../data/index.ts"
import type { SplitSummary } from "../../../plan/index.ts"

/** A split of texts with labels. Targets of a row: 1 for each of its labels, else 0. */
export interface MultiLabelSplit extends RowSource<TargetText> {
  readonly labels: ReadonlyArray<string>
  /** number of rows with each label */
  readonly counts: ReadonlyArray<number>
  /** number of rows by their set of labels, as `setOf` writes it */
  readonly sets: ReadonlyMap<string, number>
}

export interface MultiLabelData {
  readonly labels: ReadonlyArray<string>
  readonly splits: BySplit<MultiLabelSplit>
  readonly warnings: ReadonlyArray<string>
  readonly describe: () => ReadonlyArray<SplitSummary>
}

/** Opens the files until the scope closes. `seed` selects the validation rows of a share. Fails with all problems at once. */
export const openMultiLabel = (
  section: MultiLabelSection,
  seed: number
): Effect.Effect<MultiLabelData, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const files = yield* openSplitFiles(section, (path) => openTextFile(path, section, labelTargets(section)))
    const { train } = files
    const labelsOfRows = train.index.labels.flatMap(({ label }) => labelsOf(label))
    const labels = section.labels ?? section.labelColumns ?? [...new Set(labelsOfRows)].sort()
    if (labels.length === 0)
      return yield* dataError(train.where, "no row has a label; expected at least one labelled row")
    const many = tooManyLabels(train.where, labels)
    if (many !== undefined) return yield* many
    const problems = Object.values(files).flatMap((file) =>
      labelProblems(file, labels, section.labels !== undefined, labelsOf)
    )
    if (problems.length > 0) return yield* joinDataErrors(problems)
    const rows = yield* rowsOfSplits(section, files, seed)
    const splits = mapSplits(rows, (some) => splitOf(sourceOf(some), labels, labelCounts(some.file.index, some.rows)))
    const warnings = Object.entries(splits).flatMap(([name, { where, counts }]) =>
      unseenLabels(name, where, labels, counts)
    )
    return {
      labels,
      splits,
      warnings: [...warnings, ...repeatWarnings(rows)],
      describe: () =>
        describedSplits(splits, ({ counts }) => ({ classes: labels.map((label, i) => ({ label, rows: counts[i]! })) }))
    }
  })

const splitOf = (
  source: RowSource<LabelsText>,
  labels: ReadonlyArray<string>,
  sets: ReadonlyMap<string, number>
): MultiLabelSplit => {
  const counts = new Map<string, number>()
  for (const [set, count] of sets)
    for (const label of labelsOf(set)) counts.set(label, (counts.get(label) ?? 0) + count)
  return { ...labelledTargets(source, labels), labels, sets, counts: labels.map((label) => counts.get(label) ?? 0) }
}
