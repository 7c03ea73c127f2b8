/** Files of labelled rows: what makes a row of named columns one, and the sentence for each way in which it is not. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Broken, type Fields, isFields, kindOf, missingColumn, notAnObject } from "./columns.ts"
import type { DataError } from "./data-error.ts"
import { openRows } from "./formats/index.ts"
import { type ScannedSource, scanRows } from "./scan.ts"
import type { LabelledText } from "./source.ts"

/** Which columns hold the text and the label. */
export interface Columns {
  readonly text: string
  readonly label: string
}

/** How the value of a row's first column becomes its text; `problem` ends a sentence that begins with the column. */
export interface TextForm {
  /** what messages call the column */
  readonly role: "text" | "input"
  readonly textOf: (value: unknown) => { readonly text: string } | { readonly problem: string }
}

const plainText: TextForm = {
  role: "text",
  textOf: (value) => {
    if (typeof value !== "string") return { problem: `is ${kindOf(value)}, expected a string` }
    return value.trim() === "" ? { problem: "is blank" } : { text: value }
  }
}

/** Opens and scans a file until the scope closes: every row is a text and a label. Further columns are ignored. */
export const openLabelledFile = (
  path: string,
  columns: Columns,
  form: TextForm = plainText
): Effect.Effect<ScannedSource, DataError, Scope.Scope> => {
  const required = [
    { name: columns.text, role: `${form.role} field` },
    { name: columns.label, role: "label field" }
  ]
  return Effect.flatMap(openRows(path, { columns: { required } }), (rows) =>
    scanRows<LabelledText>(rows, {
      read: (value) => labelledFields(value, columns, form),
      text: ({ text }) => text,
      label: ({ label }) => label
    })
  )
}

// Longer ones are texts in the wrong column. Every different label is kept in memory.
const longestLabel = 512

/** A label is a string that is not blank, a number or a boolean (the latter two as text). */
const labelledFields = (
  value: unknown,
  columns: Columns,
  { role, textOf }: TextForm
): Omit<LabelledText, "where"> | Broken => {
  if (!isFields(value)) return { broken: notAnObject(value) }
  const reasons: Array<string> = []
  const text = fieldOf(value, columns.text, role, reasons)
  const read = text === undefined ? { text: "" } : textOf(text)
  if ("problem" in read) reasons.push(`the ${role} "${columns.text}" ${read.problem}`)
  const label = fieldOf(value, columns.label, "label", reasons)
  if (label !== undefined && typeof label !== "string" && typeof label !== "number" && typeof label !== "boolean") {
    reasons.push(`the label "${columns.label}" is ${kindOf(label)}, expected a string, a number or a boolean`)
  }
  if (typeof label === "number" && !Number.isFinite(label)) {
    reasons.push(`the label "${columns.label}" is a number that is too large; write it as a string`)
  }
  if (typeof label === "string" && label.trim() === "") reasons.push(`the label "${columns.label}" is blank`)
  if (typeof label === "string" && label.length > longestLabel) {
    reasons.push(`the label "${columns.label}" has ${label.length} characters, at most ${longestLabel} are expected`)
  }
  if (reasons.length > 0 || "problem" in read) return { broken: reasons.join("; ") }
  return { text: read.text, label: String(label) }
}

const fieldOf = (row: Fields, name: string, role: string, reasons: Array<string>): unknown => {
  if (Object.hasOwn(row, name)) return row[name]
  reasons.push(missingColumn(name, Object.keys(row), `${role} field`))
  return undefined
}
