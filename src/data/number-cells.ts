/**
 * Locates the numbers of a row: a list in one column, or one column per number, listed by name or by a pattern ("pixel*": the
 * columns in numeric order).
 */
import { cut, listed } from "../boundary/index.ts"
import { type Broken, type Fields, kindOf, missingColumn } from "./columns.ts"

/** Value of the field in a plan. */
export type Input = string | ReadonlyArray<string>

const isPattern = (input: Input): input is string => typeof input === "string" && input.includes("*")

/** Returns its name in messages. */
export const inputName = (input: Input): string =>
  typeof input === "string"
    ? input
    : listed(
        input.map((name) => cut(name)),
        3
      ).join(", ")

/** Returns the required columns; undefined: any that match. */
export const inputColumns = (input: Input): ReadonlyArray<string> | undefined =>
  isPattern(input) ? undefined : typeof input === "string" ? [input] : input

/** Returns the matching columns, in the numeric order of the starred part, or in file order if one of them is not a number. */
export const matching = (pattern: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [start = "", ...rest] = pattern.split("*")
  const end = rest.join("*")
  const unusable = names.flatMap((name) =>
    name.length >= start.length + end.length && name.startsWith(start) && name.endsWith(end)
      ? [{ name, star: name.slice(start.length, name.length - end.length) }]
      : []
  )
  const numbered = unusable.every(({ star }) => /^\d+$/.test(star))
  return (numbered ? unusable.toSorted((a, b) => Number(a.star) - Number(b.star)) : unusable).map(({ name }) => name)
}

/** Parses a number, or a text with a decimal number, as tables have it; undefined otherwise. */
export const numberIn = (cell: unknown): number | undefined => {
  if (typeof cell === "number") return cell
  if (typeof cell !== "string" || cell.trim() === "") return undefined
  const value = Number(cell)
  return Number.isFinite(value) ? value : undefined
}

/** Returns a reader of a row's numbers. `label`: a column to exclude, even if it matches. */
export const inputReader = (input: Input, label?: string): ((row: Fields) => unknown) => {
  // rows of a file have the same columns: caches those of the last one
  let names: ReadonlyArray<string> = []
  let matched: ReadonlyArray<string> = []
  const columnsOf = (row: Fields): ReadonlyArray<string> => {
    if (typeof input !== "string") return input
    const columns = Object.keys(row)
    if (columns.length !== names.length || columns.some((name, i) => name !== names[i])) {
      names = columns
      matched = matching(input, columns).filter((name) => name !== label)
    }
    return matched
  }
  const cellOf = (row: Fields, name: string): unknown =>
    Object.hasOwn(row, name) ? row[name] : { broken: missingColumn(name, Object.keys(row), "input field") }
  if (typeof input === "string" && !isPattern(input)) return (row) => cellOf(row, input)
  return (row): ReadonlyArray<number> | Broken => {
    const columns = columnsOf(row)
    if (columns.length === 0) return { broken: missingColumn(inputName(input), Object.keys(row), "input field") }
    const numbers: Array<number> = []
    for (const name of columns) {
      if (!Object.hasOwn(row, name)) return cellOf(row, name) as Broken
      const value = numberIn(row[name])
      if (value === undefined)
        return { broken: `the input "${cut(name)}" is ${cellText(row[name])}, expected a number` }
      numbers.push(value)
    }
    return numbers
  }
}

const cellText = (cell: unknown): string =>
  typeof cell !== "string" ? kindOf(cell) : cell.trim() === "" ? "blank" : JSON.stringify(cut(cell))
