/** Which columns of rows hold the text and the label, by the names that data sets use and by what the first rows hold. */
import { cut } from "../../boundary/index.ts"
import { type Choice, type Columns, choice, NAMED, type Row } from "../../suggest/index.ts"
import { pairOf, textOf, usual } from "../encoder-columns.ts"

/** Of labels, as data sets call them, the commonest first. */
const usualLabels = [
  ...["labels", "sentiment", "category", "class", "target", "stars", "rating"],
  ...["intent", "emotion", "topic"]
]

const isLabel = (value: unknown): boolean => ["string", "number", "boolean"].includes(typeof value)

const different = (rows: ReadonlyArray<Row>, name: string): number => new Set(rows.map((row) => row[name])).size

/**
 * Values of a plan for the columns that no one named and that are not called as a plan calls them by default; or what was found and
 * what to name. The label first: a column of a usual name, or the only one that has few values; then the text: one of a usual name, or
 * the only one, or the one that is more than twice as long as any other.
 */
export const labelledColumns = (rows: ReadonlyArray<Row>, columns: Columns): ReadonlyArray<Choice> | string => {
  if (rows.length === 0) return [] // what cannot be read is reported when it is opened
  const pair = pairOf(rows, columns)
  const beside = pair.length === 0 ? undefined : chosen(rows, columns, pair)
  const found = Array.isArray(beside) ? beside : chosen(rows, columns, [])
  if (typeof found !== "string") return found
  const all = Object.keys(rows[0]!)
    .slice(0, NAMED)
    .map((name) => cut(name))
  return `${found} (found: ${all.join(", ")})`
}

const chosen = (
  rows: ReadonlyArray<Row>,
  columns: Columns,
  pair: ReadonlyArray<Choice>
): ReadonlyArray<Choice> | string => {
  const taken = [...Object.values(columns), ...pair.map(({ value }) => value)]
  const free = Object.keys(rows[0]!).filter((name) => !taken.includes(name))
  const label = columns.label === undefined ? labelOf(rows, free) : null
  const others = free.filter((name) => name !== label?.value)
  const text = columns.text === undefined && pair.length === 0 ? textOf(rows, others) : null
  const missing = [...(text === undefined ? ["text"] : []), ...(label === undefined ? ["label"] : [])]
  if (missing.length > 0) {
    const flags = missing.map((name) => `--${name}`).join(" and ")
    return `which column holds the ${missing.join(" and which the ")} cannot be recognised from the first ${rows.length} rows: name it with ${flags}`
  }
  // the names that a plan has by itself need no word
  const said = [...(text ? [text] : []), ...(label ? [label] : [])].filter(
    ({ path, value }) => path !== `data.${value}`
  )
  return [...pair, ...said]
}

export const labelOf = (rows: ReadonlyArray<Row>, free: ReadonlyArray<string>): Choice | undefined => {
  // whatever it holds: what is wrong with a row of it is reported with its line
  if (free.includes("label")) return choice("data.label", "label", "")
  const found = free.filter((name) => rows.every((row) => isLabel(row[name])))
  const values = (name: string) => `${different(rows, name)} values in ${rows.length} rows`
  const named = usual(usualLabels, found)
  if (named !== undefined) return choice("data.label", named, `a usual name of a label; ${values(named)}`)
  const few = found.filter((name) => different(rows, name) > 1 && different(rows, name) <= rows.length / 2)
  return few.length === 1
    ? choice("data.label", few[0]!, `the only column of few values: ${values(few[0]!)}`)
    : undefined
}
