/** Values of rows as people look at them: what a column holds, and cells of a bounded length. */
import { cut } from "../../boundary/index.ts"
import { imageForm, isEmbedded, isImageName } from "../../data/images/index.ts"
import type { Fields } from "../../data/index.ts"
import type { ColumnOfRows } from "../protocol/index.ts"

/** Characters of a cell. */
export const LONGEST_CELL = 300

// more different values than these are no classes that a reader would count
const MOST_DISTINCT = 100

/** The value of a cell as a text; "" where there is none. */
export const cellText = (value: unknown): string => {
  if (value === undefined || value === null) return ""
  if (typeof value === "string") return cut(value, LONGEST_CELL)
  return cut(JSON.stringify(value) ?? "", LONGEST_CELL)
}

const isBlank = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === "string" && value.trim() === "")

/** A row whose cells are all empty. */
export const isEmptyRow = (row: Fields): boolean => Object.values(row).every(isBlank)

/** A number as tables have them, also with a comma for a point. */
const isNumber = (value: unknown): boolean =>
  typeof value === "number" || (typeof value === "string" && Number.isFinite(Number(value.replace(",", "."))))

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A path or the bytes of an image, as the text that names it; undefined where it is none. */
export const imageOf = (value: unknown): string | undefined => {
  if (typeof value === "string" && !isEmbedded(value) && !isImageName(value)) return undefined
  const found = imageForm.textOf(value)
  return "text" in found && (isEmbedded(found.text) || isImageName(found.text)) ? found.text : undefined
}

const isConversation = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((turn) => isObject(turn) && "role" in turn)

/** What values are called, the special before the general. */
const types: ReadonlyArray<readonly [name: string, holds: (value: unknown) => boolean]> = [
  ["image", (value) => imageOf(value) !== undefined],
  ["number", isNumber],
  ["yes or no", (value) => typeof value === "boolean"],
  ["text", (value) => typeof value === "string"],
  ["conversation", isConversation],
  ["list", (value) => Array.isArray(value)],
  ["object", isObject]
]

/** What the column holds in these rows. */
export const columnOf = (name: string, rows: ReadonlyArray<Fields>): ColumnOfRows => {
  const values = rows
    .map((row) => (Object.hasOwn(row, name) ? row[name] : undefined))
    .filter((value) => !isBlank(value))
  const type = types.find(([, holds]) => values.every(holds))?.[0] ?? "mixed"
  const distinct = new Set<string>()
  for (const value of values) {
    distinct.add(typeof value === "string" ? value : JSON.stringify(value))
    if (distinct.size > MOST_DISTINCT) break
  }
  return {
    name,
    type: values.length === 0 ? "empty" : type,
    distinct: distinct.size > MOST_DISTINCT ? null : distinct.size
  }
}
