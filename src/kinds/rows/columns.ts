/** Which columns hold texts and labels, by the first rows: the names that data sets use, and what the columns hold. */
import { probedRows as firstRowsOf } from "../../data/index.ts"
import { type Choice, type Columns, choice, PROBED_ROWS, type Row } from "../../suggest/index.ts"

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

/** The first rows of a file. Where they cannot be read, that is the problem, and not that columns are missing. */
export const probedRows = (file: string) => firstRowsOf(file, PROBED_ROWS)

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

/** Columns of a text as data sets call them, the commonest first. */
const usualTexts = ["sentence", "review", "comment", "content", "message", "tweet", "utterance", "body"]

/** Characters of a column's texts on average; 0 where they are numbers, or not all are texts. */
const textLength = (rows: ReadonlyArray<Row>, name: string): number => {
  const texts = rows.map((row) => row[name])
  if (!texts.every((text) => typeof text === "string")) return 0
  if (texts.every((text) => text.trim() !== "" && Number.isFinite(Number(text.replace(",", "."))))) return 0
  return texts.reduce((sum, { length }) => sum + length, 0) / texts.length
}

/** The first usual name that is among the columns, in whatever case. */
export const usual = (names: ReadonlyArray<string>, among: ReadonlyArray<string>): string | undefined =>
  names.flatMap((name) => among.filter((one) => one.toLowerCase() === name))[0]

/** The column of the texts: one of a usual name, or the only one, or the one that is more than twice as long as any other. */
export const textOf = (rows: ReadonlyArray<Row>, free: ReadonlyArray<string>): Choice | undefined => {
  if (free.includes("text")) return choice("data.text", "text", "")
  const lengths = free
    .map((name) => ({ name, length: textLength(rows, name) }))
    .filter(({ length }) => length > 0)
    .toSorted((a, b) => b.length - a.length)
  const named = usual(
    usualTexts,
    lengths.map(({ name }) => name)
  )
  if (named !== undefined) return choice("data.text", named, "a usual name of a text")
  const [first, second] = lengths
  if (first === undefined || (second !== undefined && second.length > first.length / 2)) return undefined
  const characters = `${Math.round(first.length)} characters on average`
  return second === undefined
    ? choice("data.text", first.name, `the only column of texts: ${characters}`)
    : choice(
        "data.text",
        first.name,
        `the longest texts by far: ${characters}, those of "${second.name}" ${Math.round(second.length)}`
      )
}

/** The columns of the texts where no one named them; `taken`: columns that hold something else. */
export const textsOf = (
  rows: ReadonlyArray<Row>,
  columns: Columns,
  taken: ReadonlyArray<string>
): ReadonlyArray<Choice> => {
  const pair = pairOf(rows, columns)
  if (pair.length > 0 || columns.text !== undefined) return pair
  const others = Object.keys(rows[0] ?? {}).filter((name) => name !== columns.textPair && !taken.includes(name))
  const text = textOf(rows, others)
  return text === undefined || text.value === "text" ? [] : [text]
}

/** Of labels, as data sets call them, the commonest first. */
const usualLabels = [
  ...["labels", "sentiment", "category", "class", "target", "stars", "rating"],
  ...["intent", "emotion", "topic"]
]

const isLabel = (value: unknown): boolean => ["string", "number", "boolean"].includes(typeof value)

const different = (rows: ReadonlyArray<Row>, name: string): number => new Set(rows.map((row) => row[name])).size

/** The column of the label: one of a usual name, or the only one that has few values. */
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
