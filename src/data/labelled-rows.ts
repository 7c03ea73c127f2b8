/** Files of labelled rows: what makes a row of named columns one, and the sentence for each way in which it is not. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Fields, isBroken, isFields, kindOf, missingColumn, notAnObject } from "./columns.ts"
import type { DataError } from "./data-error.ts"
import { openRows } from "./formats/index.ts"
import type { RowFile } from "./records.ts"
import { type RowReader, type ScannedSource, scanRows } from "./scan.ts"
import type { LabelledText, Located, TextFields } from "./source.ts"

/** Which columns hold a row's text, or its two. */
export interface TextColumns {
  /** of the text, or of the first of two */
  readonly text: string
  /** of the second text; absent: rows have one */
  readonly textPair?: string | undefined
}

/** Which columns hold the texts and the label. */
export interface Columns extends TextColumns {
  /** of the class */
  readonly label: string
}

/** How the value of a row's first column becomes its text; `problem` ends a sentence that begins with the column. */
export interface TextForm {
  /** what messages call the column */
  readonly role: "text" | "input" | "image" | "target"
  readonly textOf: (value: unknown) => { readonly text: string } | { readonly problem: string }
  /** where it is not the value of one column: what a row has, and the columns that have to be there (undefined: any) */
  readonly of?: {
    readonly columns: ReadonlyArray<string> | undefined
    readonly valueIn: (row: Fields) => unknown
  }
}

export const plainText: TextForm = {
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
): Effect.Effect<ScannedSource, DataError, Scope.Scope> =>
  openTextFile<LabelledText>(path, columns, labelTarget(columns.label), form)

/** The label in a column. */
export const labelTarget = (column: string): RowTargets<LabelledText> => ({
  columns: [{ name: column, role: "label field" }],
  read: (row, reasons) => ({ label: labelOf(row, column, reasons) }),
  label: ({ label }) => label
})

/** What rows of texts have beside them. */
export interface RowTargets<Row extends TextFields & Located> {
  /** the columns that it is read from */
  readonly columns: ReadonlyArray<{
    /** in the file */
    readonly name: string
    /** what messages call it: "label field" */
    readonly role: string
  }>
  /** What is learned of a row; what is wrong with it goes into `reasons`, and the result is then left alone. */
  readonly read: (row: Fields, reasons: Array<string>) => Omit<Row, "where" | "text" | "textPair">
  /** A row's class, counted over the file; absent: rows have no classes. */
  readonly label?: NonNullable<RowReader<Row>["label"]>
  /** Called once for each row, in the file's order; absent: nothing is. */
  readonly seen?: NonNullable<RowReader<Row>["seen"]>
}

/** Opens and scans a file until the scope closes: every row is a text, or two, with `targets` beside them. */
export const openTextFile = <Row extends TextFields & Located>(
  path: string,
  columns: TextColumns,
  targets: RowTargets<Row>,
  form: TextForm = plainText
): Effect.Effect<ScannedSource<Row>, DataError, Scope.Scope> => {
  const { textPair } = columns
  const own = form.of === undefined ? [columns.text] : form.of.columns
  const required = [
    ...(own ?? []).map((name) => ({ name, role: `${form.role} field` })),
    ...(textPair === undefined ? [] : [{ name: textPair, role: "text field" }]),
    ...targets.columns
  ]
  return Effect.flatMap(openRows(path, own === undefined ? {} : { columns: { required } }), (rows) =>
    scanTexts(rows, columns, targets, form)
  )
}

/** The same with rows that are open. */
export const scanTexts = <Row extends TextFields & Located>(
  rows: RowFile,
  { text: column, textPair }: TextColumns,
  targets: RowTargets<Row>,
  form: TextForm = plainText
): Effect.Effect<ScannedSource<Row>, DataError> =>
  scanRows<Row>(rows, {
    read: (value) => {
      if (!isFields(value)) return { broken: notAnObject(value) }
      const reasons: Array<string> = []
      const text = textOf(value, column, reasons, form)
      const pair = textPair === undefined ? undefined : textOf(value, textPair, reasons)
      const target = targets.read(value, reasons)
      if (reasons.length > 0) return { broken: reasons.join("; ") }
      return { text, ...(pair === undefined ? {} : { textPair: pair }), ...target } as Omit<Row, "where">
    },
    text: bothTexts,
    ...(targets.label === undefined ? {} : { label: targets.label }),
    ...(targets.seen === undefined ? {} : { seen: targets.seen })
  })

/** Rows repeat each other where both texts are the same. The length keeps "ab" and "c" apart from "a" and "bc". */
const bothTexts = ({ text, textPair }: { readonly text: string; readonly textPair?: string | undefined }): string =>
  textPair === undefined ? text : `${text.length} ${text}${textPair}`

// Longer ones are texts in the wrong column. Every different label is kept in memory.
export const longestLabel = 512

/** The text in a column; what is wrong with it goes into `reasons`. */
export const textOf = (
  row: Fields,
  name: string,
  reasons: Array<string>,
  { role, textOf: read, of }: TextForm = plainText
): string => {
  const value = of === undefined ? fieldOf(row, name, role, reasons) : of.valueIn(row)
  if (isBroken(value)) {
    reasons.push(value.broken)
    return ""
  }
  const found = value === undefined ? { text: "" } : read(value)
  if ("text" in found) return found.text
  reasons.push(`the ${role} "${name}" ${found.problem}`)
  return ""
}

/** A label is a string that is not blank, a number or a boolean (the latter two as text). */
const labelOf = (row: Fields, name: string, reasons: Array<string>): string => {
  const label = fieldOf(row, name, "label", reasons)
  if (label !== undefined && typeof label !== "string" && typeof label !== "number" && typeof label !== "boolean") {
    reasons.push(`the label "${name}" is ${kindOf(label)}, expected a string, a number or a boolean`)
  }
  if (typeof label === "number" && !Number.isFinite(label)) {
    reasons.push(`the label "${name}" is a number that is too large; write it as a string`)
  }
  if (typeof label === "string" && label.trim() === "") reasons.push(`the label "${name}" is blank`)
  if (typeof label === "string" && label.length > longestLabel) {
    reasons.push(`the label "${name}" has ${label.length} characters, at most ${longestLabel} are expected`)
  }
  return String(label)
}

/** The value in a column; undefined, and why in `reasons`, where there is none. */
export const fieldOf = (row: Fields, name: string, role: string, reasons: Array<string>): unknown => {
  if (Object.hasOwn(row, name)) return row[name]
  reasons.push(missingColumn(name, Object.keys(row), `${role} field`))
  return undefined
}
