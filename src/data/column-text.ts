/**
 * Texts that a plan creates from a row's columns.
 *
 *   "question"                            the column of this name
 *   "Question: {question}\nAnswer: "      a text in which {question} is replaced by the column's value; {{ and }} stand for braces
 */
import { type Broken, type Fields, isBroken, kindOf, missingColumn, stringField } from "./columns.ts"

const places = /\{\{|\}\}|\{([^{}]+)\}/g

/** Returns the columns that a text refers to. */
export const columnsIn = (text: string): ReadonlyArray<string> =>
  text.includes("{") ? [...text.matchAll(places)].flatMap(([, name]) => (name === undefined ? [] : [name])) : [text]

/** Substitutes columns in a text, once; numbers and booleans as in JSON. */
export const columnText = (
  row: Fields,
  text: string,
  {
    blank
  }: {
    /** whether a blank text is allowed */
    readonly blank: boolean
  }
): string | Broken => {
  if (Object.hasOwn(row, text) || !text.includes("{")) return stringField(row, text, { blank })
  const problems: Array<string> = []
  const filled = text.replace(places, (placeholder, name: string | undefined) => {
    if (name === undefined) return placeholder[0]!
    const value = valueText(row, name)
    if (!isBroken(value)) return value
    problems.push(value.broken)
    return ""
  })
  if (problems.length > 0) return { broken: problems.join("; ") }
  return blank || filled.trim() !== "" ? filled : { broken: `${JSON.stringify(text)} is blank in this row` }
}

const valueText = (row: Fields, name: string): string | Broken => {
  if (!Object.hasOwn(row, name)) return { broken: missingColumn(name, Object.keys(row)) }
  const value = row[name]
  if (typeof value === "string") return value
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  return { broken: `"${name}" is ${kindOf(value)}, expected a string or a number` }
}
