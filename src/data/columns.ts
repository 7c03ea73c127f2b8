/** Columns of rows, with an error message for each problem. */
import { closest } from "../../schemas/index.ts"
import { cut, mostListed } from "../boundary/index.ts"
import { parseBoundedJson } from "../files/index.ts"

/** A row before validation: column values of unknown type, by name. */
export type Fields = { readonly [name: string]: unknown }

/** Checks whether a value is an object of columns: neither null nor a list. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Reason why a row cannot be used, as the end of a sentence that begins with its location. */
export interface Broken {
  /** such as `"text" is blank` */
  readonly broken: string
}

/** Checks whether a value is `Broken`. */
export const isBroken = (value: unknown): value is Broken =>
  isFields(value) && typeof value["broken"] === "string" && Object.keys(value).length === 1

// Characters of column names in the message about a missing one.
const longestName = 60

/** Returns `no column "mesages" (found: messages, id; did you mean "messages"?)`. */
export const missingColumn = (name: string, columns: ReadonlyArray<string>, role = "column"): string => {
  const listedColumns = columns.slice(0, mostListed)
  const near = closest(
    name,
    listedColumns.filter(({ length }) => length <= longestName)
  )
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  const names = listedColumns.map((column) => cut(column, longestName)).join(", ")
  const more = columns.length > listedColumns.length ? ` and ${columns.length - listedColumns.length} more` : ""
  const none = role === "column" ? "no columns" : "no fields"
  return `no ${role} "${name}" (found: ${columns.length === 0 ? none : names}${more}${hint})`
}

/** Returns the string in a column. Rejects a blank one unless `blank` allows it. */
export const stringField = (
  row: Fields,
  name: string,
  {
    blank
  }: {
    /** whether a blank string is allowed */
    readonly blank: boolean
  }
): string | Broken => {
  if (!Object.hasOwn(row, name)) return { broken: missingColumn(name, Object.keys(row)) }
  const value = row[name]
  if (typeof value !== "string") return { broken: `"${name}" is ${kindOf(value)}, expected a string` }
  return blank || value.trim() !== "" ? value : { broken: `"${name}" is blank` }
}

/** Returns the list in a column; a CSV file has it as JSON text. */
export const listField = (row: Fields, name: string): ReadonlyArray<unknown> | Broken => {
  if (!Object.hasOwn(row, name)) return { broken: missingColumn(name, Object.keys(row)) }
  const value = row[name]
  if (Array.isArray(value)) return value
  if (typeof value !== "string") return { broken: `"${name}" is ${kindOf(value)}, expected a list of messages` }
  const parsed = parseBoundedJson(value)
  if ("problem" in parsed) return { broken: `"${name}" ${parsed.problem}; expected a list of messages as JSON` }
  if (Array.isArray(parsed.value)) return parsed.value
  return { broken: `"${name}" is ${kindOf(parsed.value)}, expected a list of messages` }
}

/** Returns the name of a value's type for messages. */
export const kindOf = (value: unknown): string => {
  if (value === undefined) return "missing"
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/** Returns the message for a row that is not an object. */
export const notAnObject = (value: unknown): string => {
  const valueText = Array.isArray(value) ? "a list" : excerpt(JSON.stringify(value) ?? String(value))
  return `found ${valueText}, expected an object`
}

export const excerpt = (text: string): string => cut(text.trim(), 60)
