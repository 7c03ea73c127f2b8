/** Values of a row's columns, and the sentence for each way in which one is not what is expected. */
import { closest } from "../../../schemas/closest.ts"
import { parseBoundedJson } from "../../files/index.ts"
import type { Broken } from "../labelled-fields.ts"
import { nameOf } from "../numbers.ts"

export type Fields = { readonly [name: string]: unknown }

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const isBrokenValue = (value: unknown): value is Broken =>
  isFields(value) && typeof value["broken"] === "string" && Object.keys(value).length === 1

// columns of a row that are named where one is missing: some rows have one a pixel
const namesShown = 20

/** `no column "mesages" (found: messages, id; did you mean "messages"?)` */
export const noColumn = (name: string, found: ReadonlyArray<string>): string => {
  const near = closest(name, found.slice(0, namesShown))
  const hint = near === undefined ? "" : `; did you mean "${near}"?`
  const names = found.slice(0, namesShown).join(", ")
  const more = found.length > namesShown ? ` and ${found.length - namesShown} more` : ""
  return `no column "${name}" (found: ${found.length === 0 ? "no columns" : names}${more}${hint})`
}

/** The string in a column; a blank one only where `blank` allows it. */
export const stringField = (row: Fields, name: string, { blank }: { readonly blank: boolean }): string | Broken => {
  if (!Object.hasOwn(row, name)) return { broken: noColumn(name, Object.keys(row)) }
  const value = row[name]
  if (typeof value !== "string") return { broken: `"${name}" is ${kindOf(value)}, expected a string` }
  return blank || value.trim() !== "" ? value : { broken: `"${name}" is blank` }
}

/** The list in a column; a CSV file has it as JSON text. */
export const listField = (row: Fields, name: string): ReadonlyArray<unknown> | Broken => {
  if (!Object.hasOwn(row, name)) return { broken: noColumn(name, Object.keys(row)) }
  const value = row[name]
  if (Array.isArray(value)) return value
  if (typeof value !== "string") return { broken: `"${name}" is ${kindOf(value)}, expected a list of messages` }
  const parsed = parseBoundedJson(value)
  if ("problem" in parsed) return { broken: `"${name}" ${parsed.problem}; expected a list of messages as JSON` }
  if (Array.isArray(parsed.value)) return parsed.value
  return { broken: `"${name}" is ${kindOf(parsed.value)}, expected a list of messages` }
}

export const kindOf = (value: unknown): string => (value === undefined ? "missing" : nameOf(value))
