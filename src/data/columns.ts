/** The columns of a row, and the sentence for each way in which one is not what is expected. */
import { closest } from "../../schemas/index.ts"
import { cut, mostListed } from "../boundary/index.ts"
import { parseBoundedJson } from "../files/index.ts"

/** A row as it is read: its columns by name, of unknown types. */
export type Fields = { readonly [name: string]: unknown }

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Why a row cannot be used, as the end of a sentence that begins with its place. */
export interface Broken {
  /** such as `"text" is blank` */
  readonly broken: string
}

/** Whether a value is a row that cannot be used, with the reason. */
export const isBroken = (value: unknown): value is Broken =>
  isFields(value) && typeof value["broken"] === "string" && Object.keys(value).length === 1

// Characters of the names of columns where one is missing.
const longestName = 60

/** `no column "mesages" (found: messages, id; did you mean "messages"?)` */
export const missingColumn = (name: string, found: ReadonlyArray<string>, role = "column"): string => {
  const shown = found.slice(0, mostListed)
  const near = closest(
    name,
    shown.filter(({ length }) => length <= longestName)
  )
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  const names = shown.map((one) => cut(one, longestName)).join(", ")
  const more = found.length > shown.length ? ` and ${found.length - shown.length} more` : ""
  const none = role === "column" ? "no columns" : "no fields"
  return `no ${role} "${name}" (found: ${found.length === 0 ? none : names}${more}${hint})`
}

/** The string in a column; a blank one only where `blank` allows it. */
export const stringField = (
  row: Fields,
  name: string,
  {
    blank
  }: {
    /** whether a string of nothing but white space passes */
    readonly blank: boolean
  }
): string | Broken => {
  if (!Object.hasOwn(row, name)) return { broken: missingColumn(name, Object.keys(row)) }
  const value = row[name]
  if (typeof value !== "string") return { broken: `"${name}" is ${kindOf(value)}, expected a string` }
  return blank || value.trim() !== "" ? value : { broken: `"${name}" is blank` }
}

/** The list in a column; a CSV file has it as JSON text. */
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

/** What kind of value something is, in words. */
export const kindOf = (value: unknown): string => {
  if (value === undefined) return "missing"
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/** What is wrong with a row that is not an object. */
export const notAnObject = (value: unknown): string => {
  const found = Array.isArray(value) ? "a list" : excerpt(JSON.stringify(value) ?? String(value))
  return `found ${found}, expected an object`
}

export const excerpt = (text: string): string => cut(text.trim(), 60)
