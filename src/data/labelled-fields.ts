/** What makes a row of named fields a labelled text, and the sentence for each way in which it is not one. */
import { closest } from "../../schemas/closest.ts"
import { nameOf, numbersText } from "./numbers.ts"

/** Which columns hold the text and the label. */
export interface Columns {
  readonly text: string
  readonly label: string
  /** the text is a list of so many numbers instead; absent: it is a text */
  readonly numbers?: number
}

export interface LabelledFields {
  readonly text: string
  readonly label: string
}

/** Why a row cannot be used, as the end of a sentence that begins with its place. */
export interface Broken {
  readonly broken: string
}

/** Longer ones are texts in the wrong column. Every different label is kept in memory. */
const longestLabel = 512
/** Field names of a broken row that are named, and characters of each: a row may be one field a pixel. */
const [namesShown, longestName] = [20, 60]

export const isBroken = (row: LabelledFields | Broken): row is Broken => "broken" in row

/**
 * A text is a string that is not blank (a list of numbers, where such is expected: as text); a label is a string that is not
 * blank, a number or a boolean (the latter as text).
 */
export const labelledFields = (
  row: { readonly [name: string]: unknown },
  columns: Columns
): LabelledFields | Broken => {
  const reasons: Array<string> = []
  const text = textOf(row, columns, reasons)
  const label = fieldOf(row, columns.label, "label", reasons)
  if (label !== undefined && typeof label !== "string" && typeof label !== "number" && typeof label !== "boolean") {
    reasons.push(`the label "${columns.label}" is ${nameOf(label)}, expected a string, a number or a boolean`)
  }
  if (typeof label === "string" && label.trim() === "") reasons.push(`the label "${columns.label}" is blank`)
  if (typeof label === "string" && label.length > longestLabel) {
    reasons.push(`the label "${columns.label}" has ${label.length} characters, at most ${longestLabel} are expected`)
  }
  return reasons.length > 0 ? { broken: reasons.join("; ") } : { text: text as string, label: String(label) }
}

const textOf = (
  row: { readonly [name: string]: unknown },
  { text: name, numbers }: Columns,
  reasons: Array<string>
): string | undefined => {
  const found = fieldOf(row, name, numbers === undefined ? "text" : "input", reasons)
  if (found === undefined) return undefined
  if (numbers !== undefined) {
    const written = numbersText(found, numbers)
    if ("text" in written) return written.text
    reasons.push(`the input "${name}" ${written.problem}`)
  } else if (typeof found !== "string") reasons.push(`the text "${name}" is ${nameOf(found)}, expected a string`)
  else if (found.trim() === "") reasons.push(`the text "${name}" is blank`)
  else return found
  return undefined
}

/** "no label "lable" (found: text, label; did you mean "label"?)" */
export const noField = (name: string, role: "text" | "input" | "label", found: ReadonlyArray<string>): string => {
  const named = found.slice(0, namesShown)
  const near = closest(
    name,
    named.filter(({ length }) => length <= longestName)
  )
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  const names = named.map((one) => (one.length <= longestName ? one : `${one.slice(0, longestName)}…`)).join(", ")
  const more = found.length > named.length ? ` and ${found.length - named.length} more` : ""
  return `no ${role} field "${name}" (found: ${found.length === 0 ? "no fields" : names}${more}${hint})`
}

const fieldOf = (
  row: { readonly [name: string]: unknown },
  name: string,
  role: "text" | "input" | "label",
  reasons: Array<string>
): unknown => {
  if (Object.hasOwn(row, name)) return row[name]
  reasons.push(noField(name, role, Object.keys(row)))
  return undefined
}
