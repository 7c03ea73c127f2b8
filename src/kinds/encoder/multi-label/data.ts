/** The `data` section of a plan over texts with any number of labels, opened: every file scanned, the labels settled, the splits ready to be read. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { MultiLabelSection } from "../../../../schemas/index.ts"
import { limit, overLimit, quoted } from "../../../boundary/index.ts"
import {
  type BySplit,
  DataError,
  dataError,
  describedSplits,
  type Fields,
  fieldOf,
  joinDataErrors,
  kindOf,
  type Located,
  labelHint,
  mapSplits,
  openSplitFiles,
  openTextFile,
  problemsShown,
  type RowSource,
  type RowTargets,
  repeatWarnings,
  rowsOfSplits,
  type Scanned,
  shownLabel,
  shownLabels,
  sourceOf,
  type TargetText,
  type TextFields
} from "../../../data/index.ts"
import { parseBoundedJson } from "../../../files/index.ts"
import type { SplitSummary } from "../../../plan/index.ts"

/** A text and its labels. */
interface LabelsText extends TextFields, Located {
  readonly labels: ReadonlyArray<string>
}

/** A part of the data. A row's targets are 1 for the labels that it has, else 0. */
export interface MultiLabelSplit extends RowSource<TargetText> {
  readonly labels: ReadonlyArray<string>
  /** rows that have each label */
  readonly counts: ReadonlyArray<number>
  /** rows by the whole set of their labels, which `setOf` writes */
  readonly sets: ReadonlyMap<string, number>
}

export interface MultiLabelData {
  readonly labels: ReadonlyArray<string>
  readonly splits: BySplit<MultiLabelSplit>
  readonly warnings: ReadonlyArray<string>
  readonly describe: () => ReadonlyArray<SplitSummary>
}

/** A set of labels as text, the same whatever their order. */
export const setOf = (labels: ReadonlyArray<string>): string => JSON.stringify([...labels].sort())

const labelsIn = (set: string): ReadonlyArray<string> => JSON.parse(set) as ReadonlyArray<string>

/** Opens the files until the scope closes. `seed` decides which rows a validation share holds out. All problems at once. */
export const openMultiLabel = (
  section: MultiLabelSection,
  seed: number
): Effect.Effect<MultiLabelData, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const files = yield* openSplitFiles(section, (path) => openTextFile(path, section, labelTargets(section)))
    const { train } = files
    const found = train.index.labels.flatMap(({ label }) => labelsIn(label))
    const labels = section.labels ?? section.labelColumns ?? [...new Set(found)].sort()
    if (labels.length === 0)
      return yield* dataError(train.where, "no row has a label; expected some rows that have one")
    if (labels.length > limit("classes")) {
      const reason = `${labels.length.toLocaleString("en")} different labels, more than ${overLimit("classes")}`
      return yield* dataError(train.where, `${reason}; is this the right label column?`)
    }
    const problems = Object.values(files).flatMap((file) => unknownLabels(file, labels, section.labels !== undefined))
    if (problems.length > 0) return yield* joinDataErrors(problems)
    const rows = yield* rowsOfSplits(section, files, seed)
    const splits = mapSplits(rows, (some) => splitOf(sourceOf(some), labels, setsOf(some.file, some.rows)))
    const warnings = Object.entries(splits).flatMap(([name, { where, counts }]) => {
      const without = labels.filter((_, i) => counts[i] === 0)
      return without.length === 0 ? [] : [`${name} (${where}): no row has the label ${shownLabels(without)}`]
    })
    return {
      labels,
      splits,
      warnings: [...warnings, ...repeatWarnings(rows)],
      describe: () =>
        describedSplits(splits, ({ counts }) => ({ classes: labels.map((label, i) => ({ label, rows: counts[i]! })) }))
    }
  })

const splitOf = (
  { rows, where, read }: RowSource<LabelsText>,
  labels: ReadonlyArray<string>,
  sets: ReadonlyMap<string, number>
): MultiLabelSplit => {
  const counts = new Map<string, number>()
  for (const [set, count] of sets)
    for (const label of labelsIn(set)) counts.set(label, (counts.get(label) ?? 0) + count)
  return {
    rows,
    where,
    labels,
    sets,
    counts: labels.map((label) => counts.get(label) ?? 0),
    read: (indices) =>
      Effect.map(read(indices), (some) =>
        some.map(({ labels: own, ...row }) => ({
          ...row,
          targets: labels.map((label) => (own.includes(label) ? 1 : 0))
        }))
      )
  }
}

const setsOf = ({ index }: Scanned, rows: Uint32Array | undefined): ReadonlyMap<string, number> => {
  if (rows === undefined) return new Map(index.labels.map(({ label, rows: count }) => [label, count]))
  const sets = new Map<string, number>()
  for (const row of rows) {
    const { label } = index.labels[index.label(row)]!
    sets.set(label, (sets.get(label) ?? 0) + 1)
  }
  return sets
}

const unknownLabels = (file: Scanned, labels: ReadonlyArray<string>, declared: boolean): ReadonlyArray<DataError> => {
  const known = new Set(labels)
  const unknown = file.index.labels.flatMap(({ label: set, firstRow }) =>
    labelsIn(set).flatMap((label) => (known.has(label) ? [] : [{ label, row: firstRow }]))
  )
  if (unknown.length === 0) return []
  const source = declared ? "data.labels has" : "the training rows have"
  const problems = unknown.slice(0, problemsShown).map(({ label, row }) => {
    const place = `${file.where}:${file.index.line(row)}`
    return `${place}: the label ${shownLabel(label)} is none of those that are learned; ${source} ${shownLabels(labels)}${labelHint(label, labels)}`
  })
  return [new DataError({ where: file.where, problems, total: unknown.length })]
}

const labelTargets = (section: MultiLabelSection): RowTargets<LabelsText> => {
  const { label, labelSeparator, labelColumns } = section
  return {
    columns: (labelColumns ?? [label]).map((name) => ({ name, role: "label field" })),
    read: (row, reasons) => ({
      labels:
        labelColumns === undefined
          ? listIn(row, label, labelSeparator, reasons)
          : labelColumns.filter((name) => flagIn(row, name, reasons))
    }),
    label: ({ labels }) => setOf(labels)
  }
}

// Longer ones are texts in the wrong column. Every different label is kept in memory.
const longestLabel = 512

/** A list of labels, one as JSON text, or names with the separator between. */
const listIn = (row: Fields, name: string, separator: string, reasons: Array<string>): ReadonlyArray<string> => {
  const value = fieldOf(row, name, "label", reasons)
  if (value === undefined) return []
  const list = typeof value === "string" ? listInText(value, separator) : value
  if (!Array.isArray(list)) {
    reasons.push(`the labels "${name}" are ${kindOf(value)}, expected a list of labels`)
    return []
  }
  const wrong = list.find((one) => typeof one !== "string" && typeof one !== "number" && typeof one !== "boolean")
  if (wrong !== undefined) reasons.push(`the labels "${name}" hold ${kindOf(wrong)}, expected strings`)
  const labels = list.map(String)
  if (labels.some((one) => one.trim() === "")) reasons.push(`the labels "${name}" hold a blank one`)
  const long = labels.find(({ length }) => length > longestLabel)
  if (long !== undefined)
    reasons.push(`the labels "${name}" hold one of ${long.length} characters, at most ${longestLabel} are expected`)
  return [...new Set(labels)]
}

const listInText = (text: string, separator: string): unknown => {
  if (text.trim() === "") return []
  const parsed = text.trimStart().startsWith("[") ? parseBoundedJson(text) : undefined
  if (parsed !== undefined && "value" in parsed && Array.isArray(parsed.value)) return parsed.value
  return text.split(separator).map((one) => one.trim())
}

const flags = new Map([
  ["1", true],
  ["true", true],
  ["0", false],
  ["false", false]
])

const flagIn = (row: Fields, name: string, reasons: Array<string>): boolean => {
  const value = fieldOf(row, name, "label", reasons)
  const flag = typeof value === "object" ? undefined : flags.get(String(value).trim().toLowerCase())
  if (flag === undefined && value !== undefined) {
    const found = typeof value === "string" ? quoted(value) : typeof value === "number" ? value : kindOf(value)
    reasons.push(`the label "${name}" is ${found}, expected 1 or 0, true or false`)
  }
  return flag ?? false
}
