/**
 * Tables without a header row: their first row is read as column names, and looks like the rows below it. Rows that contradict this in a
 * single column have a header: a word above texts, a word above numbers, a name that is not among a column's few values.
 */
import { listed, quoted } from "../boundary/index.ts"
import type { Fields } from "./columns.ts"

/** Minimum number of rows to compare with. */
const ROWS = 4
/** Mean number of words from which a column holds texts. */
const WORDS = 4

type Column = "text" | "label" | "number" | "other"

/** A column's type, and whether its name is certainly a value (true), may be one (undefined), or is not one (false). */
interface Judged {
  readonly type: Column
  readonly isValue: boolean | undefined
}

const isNumber = (text: string): boolean => text.trim() !== "" && Number.isFinite(Number(text))

const wordsOf = (text: string): number => text.trim().split(/\s+/).length

const judged = (name: string, cells: ReadonlyArray<string>): Judged => {
  const times = cells.filter((cell) => cell === name).length
  if (cells.every(isNumber)) {
    // an integer may name a column of a matrix, or a year
    return { type: "number", isValue: isNumber(name) && (times > 1 || !Number.isInteger(Number(name)) || undefined) }
  }
  if (2 * new Set(cells).size <= cells.length) return { type: "label", isValue: times > 1 }
  const words = cells.reduce((sum, cell) => sum + wordsOf(cell), 0) / cells.length
  if (words < WORDS) return { type: "other", isValue: undefined }
  // questions of a survey are names
  return { type: "text", isValue: wordsOf(name) < WORDS - 1 ? false : /[.!…]["”»)]*$/.test(name.trim()) || undefined }
}

/** Columns 0, 1, 2, …, or consecutive years. */
const areConsecutive = (names: ReadonlyArray<string>): boolean => {
  const numbers = names.map(Number).toSorted((a, b) => a - b)
  return numbers.length > 1 && numbers.every((n, i) => i === 0 || n === numbers[i - 1]! + 1)
}

/** Returns what to do about a table whose header is a row, as a sentence; undefined if the header has names, or may have. */
export const headerProblem = (rows: ReadonlyArray<Fields>): string | undefined => {
  const names = Object.keys(rows[0] ?? {})
  if (rows.length < ROWS || rows.some((row) => names.every((name) => row[name] === name))) return undefined
  const columns = names.map((name) => {
    const cells = rows.map((row) => String(row[name] ?? "")).filter((cell) => cell.trim() !== "")
    return { name, ...(cells.length < ROWS ? ({ type: "other", isValue: undefined } as const) : judged(name, cells)) }
  })
  const numbers = columns.filter(({ type }) => type === "number").map(({ name }) => name)
  const certain = columns.filter(
    ({ type, isValue }) => isValue === true && !(type === "number" && areConsecutive(numbers))
  )
  if (certain.length === 0 || columns.some(({ isValue }) => isValue === false)) return undefined
  const values = listed(names, 3).map((name) => quoted(name, 30))
  const some = ["text", "label"].filter((type) => columns.some((column) => column.type === type))
  const examples = some.length === 0 ? "" : `, such as ${some.join(" and ")}`
  return `the first line (${values.join(", ")}) is read as column names, but it looks like the rows below it; add a line of column names above it${examples}`
}
