/** Files of labelled rows: parses rows by named columns, with an error message for each problem. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Fields, isBroken, isFields, kindOf, missingColumn, notAnObject } from "./columns.ts"
import type { DataError } from "./data-error.ts"
import { openRows } from "./formats/index.ts"
import type { RowFile } from "./records.ts"
import { type RowReader, type ScannedSource, scanRows } from "./scan.ts"
import type { LabelledText, Located, TextFields } from "./source.ts"

/** Columns of a row's text, or of its two texts. */
export interface TextColumns {
  /** column of the text, or of the first of two */
  readonly text: string
  /** column of the second text; absent: rows have one text */
  readonly textPair?: string | undefined
}

/** Columns of texts and labels. */
export interface Columns extends TextColumns {
  /** column of the class */
  readonly label: string
}

/** Converts the value of a row's first column to text; `problem` ends a sentence that begins with the column. */
export interface TextForm {
  /** name of the column in messages */
  readonly role: "text" | "input" | "image" | "target"
  readonly textOf: (value: unknown) => { readonly text: string } | { readonly problem: string }
  /** source and required columns (undefined: any) of a text from several columns */
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

/** Opens and scans a file until the scope closes: every row is a text and a label. Ignores other columns. */
export const openLabelledFile = (
  path: string,
  columns: Columns,
  form: TextForm = plainText
): Effect.Effect<ScannedSource, DataError, Scope.Scope> =>
  openTextFile<LabelledText>(path, columns, labelTarget(columns.label), form)

/** Reads the label in a column. */
export const labelTarget = (column: string): RowTargets<LabelledText> => ({
  columns: [{ name: column, role: "label field" }],
  read: (row, reasons) => ({ label: labelOf(row, column, reasons) }),
  label: ({ label }) => label
})

/** Targets of rows of texts. */
export interface RowTargets<Row extends TextFields & Located> {
  /** columns that they are read from */
  readonly columns: ReadonlyArray<{
    /** name in the file */
    readonly name: string
    /** name in messages: "label field" */
    readonly role: string
  }>
  /** Reads the targets of a row. Appends problems to `reasons`; the result is then ignored. */
  readonly read: (row: Fields, reasons: Array<string>) => Omit<Row, "where" | "text" | "textPair">
  /** Returns a row's class, counted over the file; absent: rows have no classes. */
  readonly label?: NonNullable<RowReader<Row>["label"]>
  /** Called once for each row, in file order; absent: not called. */
  readonly seen?: NonNullable<RowReader<Row>["seen"]>
}

/** Opens and scans a file until the scope closes: every row is a text, or two, with `targets`. */
export const openTextFile = <Row extends TextFields & Located>(
  path: string,
  columns: TextColumns,
  targets: RowTargets<Row>,
  form: TextForm = plainText
): Effect.Effect<ScannedSource<Row>, DataError, Scope.Scope> => {
  const { textPair } = columns
  const textColumns = form.of === undefined ? [columns.text] : form.of.columns
  const required = [
    ...(textColumns ?? []).map((name) => ({ name, role: `${form.role} field` })),
    ...(textPair === undefined ? [] : [{ name: textPair, role: "text field" }]),
    ...targets.columns
  ]
  return Effect.flatMap(openRows(path, textColumns === undefined ? {} : { columns: { required } }), (rows) =>
    scanTexts(rows, columns, targets, form)
  )
}

/** Scans rows that are already open. */
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

/** Rows with the same texts are duplicates. The length distinguishes "ab" and "c" from "a" and "bc". */
const bothTexts = ({ text, textPair }: { readonly text: string; readonly textPair?: string | undefined }): string =>
  textPair === undefined ? text : `${text.length} ${text}${textPair}`

// Longer ones are texts in the wrong column. Every distinct label is kept in memory.
export const longestLabel = 512

/** Returns the text in a column. Appends problems to `reasons`. */
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
  const text = value === undefined ? { text: "" } : read(value)
  if ("text" in text) return text.text
  reasons.push(`the ${role} "${name}" ${text.problem}`)
  return ""
}

/** Returns a label: a string that is not blank, or a number or boolean as text. */
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

/** Returns the value in a column. If it is missing, returns undefined and appends the problem to `reasons`. */
export const fieldOf = (row: Fields, name: string, role: string, reasons: Array<string>): unknown => {
  if (Object.hasOwn(row, name)) return row[name]
  reasons.push(missingColumn(name, Object.keys(row), `${role} field`))
  return undefined
}
