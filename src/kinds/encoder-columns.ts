/** Which columns hold the texts of rows for an encoder, by the first of them. */
import * as Effect from "effect/Effect"
import { firstRows } from "../data/index.ts"
import { type Choice, type Columns, choice, PROBED_ROWS, type Row } from "../suggest/index.ts"

/** Two texts of a row, as data sets call them. */
const pairs = [
  ["text", "textPair"],
  ["text", "text_pair"],
  ["sentence1", "sentence2"],
  ["premise", "hypothesis"],
  ["question", "answer"],
  ["question1", "question2"],
  ["query", "passage"],
  ["query", "document"],
  ["text1", "text2"]
] as const

/** The first rows of a file; none where it cannot be read, which is told when it is opened. */
export const probedRows = (file: string) => firstRows(file, PROBED_ROWS).pipe(Effect.orElseSucceed(() => []))

const isText = (value: unknown): boolean => typeof value === "string"

/** The columns that hold a text in every row. */
export const textColumnsOf = (rows: ReadonlyArray<Row>): ReadonlyArray<string> =>
  Object.keys(rows[0] ?? {}).filter((name) => rows.every((row) => isText(row[name])))

/** The columns of two texts, where rows have two by their usual names and no column of a text was named. */
export const pairOf = (rows: ReadonlyArray<Row>, columns: Columns): ReadonlyArray<Choice> => {
  if (columns.text !== undefined || columns.textPair !== undefined) return []
  const texts = textColumnsOf(rows)
  // a column that was named as something else is no text
  const others = Object.values(columns)
  const pair = pairs.find((names) => names.every((name) => texts.includes(name) && !others.includes(name)))
  if (pair === undefined) return []
  const reason = `rows have two texts, in the columns "${pair[0]}" and "${pair[1]}"`
  return [choice("data.text", pair[0], reason), choice("data.textPair", pair[1], "the second of the two")]
}
