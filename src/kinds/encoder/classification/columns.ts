/** Which columns of rows hold the text and the label, by the names that data sets use and by what the first rows hold. */
import { cut } from "../../../boundary/index.ts"
import { type Choice, type Columns, NAMED, type Row } from "../../../suggest/index.ts"
import { labelOf, pairOf, textOf } from "../../rows/columns.ts"

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
