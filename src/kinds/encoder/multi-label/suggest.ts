/** Texts with any number of labels: which columns hold them, and the plan for them. */
import * as Effect from "effect/Effect"
import { parseBoundedJson } from "../../../files/index.ts"
import { type Choice, type Columns, choice, type Detecting, type Row, type Suggesting } from "../../../suggest/index.ts"
import { probedRows, textsOf } from "../../rows/columns.ts"
import { headSuggesting, isEncoder } from "../suggest.ts"
import type { ResolvedMultiLabelPlan } from "./resolve.ts"

export const suggestMultiLabel: Suggesting<ResolvedMultiLabelPlan> = headSuggesting(({ labels }) => labels.length)

export const detectMultiLabel: Detecting = {
  columns: { "multi-label": ["text", "textPair", "label", "labelColumns"] },
  takes: isEncoder,
  rows: (_, file, columns) =>
    Effect.map(probedRows(file), (rows) => {
      const found = labelsIn(rows, columns)
      if (found === null) return null
      const { labelColumns: _columns, ...named } = columns
      return { format: "multi-label", choices: [...found, ...textsOf(rows, named, taken(found))], columns: named }
    })
}

const taken = (found: ReadonlyArray<Choice>): ReadonlyArray<string> =>
  found.flatMap(({ path, value }) => (path === "data.format" ? [] : [value].flat().map(String)))

/** Columns of lists of labels as data sets call them. */
const usual = ["labels", "label", "tags", "topics", "categories", "genres"]

const isList = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.every((one) => typeof one === "string")
  const parsed = typeof value === "string" && value.trimStart().startsWith("[") ? parseBoundedJson(value) : undefined
  return parsed !== undefined && "value" in parsed && Array.isArray(parsed.value)
}

const labelsIn = (rows: ReadonlyArray<Row>, { label, labelColumns }: Columns): ReadonlyArray<Choice> | null => {
  if (labelColumns !== undefined)
    return [
      choice("data.format", "multi-label", "columns of 0 and 1 were named, one a label"),
      {
        path: "data.labelColumns",
        value: labelColumns.split(",").map((name) => name.trim()),
        reason: "the columns that were named"
      }
    ]
  const name = label ?? usual.find((one) => rows.some((row) => Object.hasOwn(row, one)))
  if (name === undefined || rows.length === 0 || !rows.every((row) => isList(row[name]))) return null
  const column = choice("data.label", name, "the column of the lists")
  const format = choice("data.format", "multi-label", `the column "${name}" holds lists of labels`)
  return name === "labels" ? [format] : [format, column]
}
