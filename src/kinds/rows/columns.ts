/**
 * Evidence for the contents of columns, from the first rows. Kinds of runs detect their tasks with it; all certainties are on one scale
 * (`sure`).
 */
import { counted, cut, quoted } from "../../boundary/index.ts"
import { parseBoundedJson } from "../../files/index.ts"
import { type Choice, type Columns, choice, type Found, isRow, type Row, sure } from "../../suggest/index.ts"

/** A column of the first rows. */
export interface Column {
  readonly name: string
  /** one value per row; undefined for a missing or blank one */
  readonly cells: ReadonlyArray<unknown>
  /** cells that are not blank */
  readonly filled: ReadonlyArray<unknown>
  /** number of different filled cells */
  readonly different: number
}

const isBlank = (cell: unknown): boolean =>
  cell === undefined || cell === null || (typeof cell === "string" && cell.trim() === "")

export const columnsIn = (rows: ReadonlyArray<Row>): ReadonlyArray<Column> =>
  [...new Set(rows.flatMap(Object.keys))].map((name) => {
    const cells = rows.map((row) => (isBlank(row[name]) ? undefined : row[name]))
    const filled = cells.filter((cell) => cell !== undefined)
    return { name, cells, filled, different: new Set(filled.map((cell) => JSON.stringify(cell))).size }
  })

/** Returns the first of `names` that is among the columns, ignoring case. */
export const usual = (names: ReadonlyArray<string>, among: ReadonlyArray<string>): string | undefined =>
  names.flatMap((name) => among.filter((candidate) => candidate.toLowerCase() === name.toLowerCase()))[0]

// ——— contents of a column

const decimal = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i

const numberIn = (cell: unknown): number =>
  typeof cell === "number" ? cell : typeof cell === "string" && decimal.test(cell) ? Number(cell) : Number.NaN

/** Returns the numbers of a column, one per filled cell; undefined if one of them is not a number. */
export const numbersIn = ({ filled }: Column): ReadonlyArray<number> | undefined => {
  const numbers = filled.map(numberIn)
  return numbers.length > 0 && numbers.every(Number.isFinite) ? numbers : undefined
}

/** Returns the list of a cell, also from JSON text, as in tables; undefined for other cells. */
export const listIn = (cell: unknown): ReadonlyArray<unknown> | undefined => {
  if (Array.isArray(cell)) return cell
  const parsed = typeof cell === "string" && cell.trimStart().startsWith("[") ? parseBoundedJson(cell) : undefined
  return parsed !== undefined && "value" in parsed && Array.isArray(parsed.value) ? parsed.value : undefined
}

/** Returns whether a cell is an image: a path, a data: URI, or the bytes of a Parquet file. */
export const isImage = (cell: unknown): boolean =>
  typeof cell === "string"
    ? /^data:image\/|\.(png|jpe?g|webp)$/i.test(cell)
    : typeof cell === "object" && cell !== null && "bytes" in cell

const isEvery = ({ filled }: Column, test: (cell: unknown) => boolean): boolean =>
  filled.length > 0 && filled.every(test)

const isFlag = (cell: unknown): boolean => /^(0|1|true|false)$/i.test(String(cell))
const isScalar = (cell: unknown): boolean => ["string", "number", "boolean"].includes(typeof cell)

/** Returns whether a cell is a number (also with a comma or a currency sign), a date or an address, and so neither a text nor a class. */
const isMeasure = (cell: unknown): boolean =>
  /^\s*([^\p{L}]*\d[^\p{L}]*|\d{4}-\d\d-\d\d[T ].*|https?:\/\/\S+|[0-9a-f]{8}-[0-9a-f-]{27})\s*$/iu.test(String(cell))

const keyName = /^(|id|idx|index|row|nr|no|number|key|uuid|guid|unnamed: 0)$|[_ -]id$|[a-z]Id$/i

/** Returns whether a column has identifiers: numbers or names that only distinguish rows. */
export const isKey = (column: Column): boolean => {
  const { name, filled, different } = column
  if (different < filled.length || filled.length < 2) return false
  const numbers = numbersIn(column)
  const [first, second] = numbers ?? []
  const isCounted = filled.length > 4 && numbers?.every((n, i) => n === first! + i * (second! - first!)) === true
  return isCounted || keyName.test(name)
}

/** Names of columns with the origin of rows, which is rarely a target. */
const aboutRows =
  /^(split|source|lang|language|locale|user|username|author|date|time|year|month|country|city|domain|file)$/i

const lengthOf = ({ filled }: Column): number =>
  filled.reduce((sum: number, cell) => sum + String(cell).length, 0) / Math.max(1, filled.length)

const wordsOf = ({ filled }: Column): number =>
  filled.reduce((sum: number, cell) => sum + String(cell).trim().split(/\s+/).length, 0) / Math.max(1, filled.length)

const isTextColumn = (column: Column): boolean =>
  column.filled.length === column.cells.length &&
  isEvery(column, (cell) => typeof cell === "string" && !isImage(cell)) &&
  !isEvery(column, isMeasure) &&
  !isEvery(column, (cell) => listIn(cell) !== undefined) &&
  !isKey(column)

/** Returns the columns with a text in every row. */
export const textsIn = (columns: ReadonlyArray<Column>): ReadonlyArray<Column> => columns.filter(isTextColumn)

/** Returns whether the texts of a column are sentences rather than names or words: at least four words on average, or long. */
export const isProse = (column: Column): boolean => wordsOf(column) >= 4 || lengthOf(column) >= 40

/** Returns whether values repeat, as classes do and texts do not. */
export const comesBack = ({ filled, different }: Column): boolean => different > 1 && different <= filled.length / 2

// ——— the text, or the pair of texts

/** One or two columns, their interpretation, and its certainty. */
export interface Evidence {
  readonly columns: Columns
  readonly certainty: number
  readonly choices: ReadonlyArray<Choice>
}

/** Common names of two texts of a row. */
export const textPairs = [
  ["text", "textPair"],
  ["text", "text_pair"],
  ["text1", "text2"],
  ["sentence1", "sentence2"],
  ["question1", "question2"],
  ["premise", "hypothesis"],
  ["question", "answer"],
  ["question", "context"],
  ["query", "answer"],
  ["query", "passage"],
  ["query", "document"]
] as const

/** Common names of text columns, the most common first. */
const usualTexts = [
  ...["text", "sentence", "review", "comment", "content", "message", "tweet", "utterance", "body"],
  ...["abstract", "description", "headline", "post", "document"]
]

/** Returns the first pair of names that the columns have. */
export const pairIn = <Pair extends readonly [string, string]>(
  pairs: ReadonlyArray<Pair>,
  columns: ReadonlyArray<Column>
): readonly [Column, Column] | undefined => {
  const columnNamed = (name: string) => columns.find((column) => column.name.toLowerCase() === name.toLowerCase())
  return pairs
    .map(([a, b]) => [columnNamed(a), columnNamed(b)] as const)
    .find((pair): pair is readonly [Column, Column] => pair.every((column) => column !== undefined))
}

const evidence = (names: Columns, certainty: number, reasons: Readonly<Record<string, string>>): Evidence => ({
  columns: names,
  certainty,
  // default names need no choice
  choices: Object.entries(names).flatMap(([role, name]) =>
    name === role || reasons[role] === undefined ? [] : [choice(`data.${role}`, name, reasons[role])]
  )
})

/** Maximum number of text columns between which a user chooses. */
const MOST_TEXTS = 3

/** Returns the text column or pair that the model reads; several if it is not clear which. `taken`: columns with other contents. */
export const textEvidence = (
  all: ReadonlyArray<Column>,
  { text, textPair }: Columns,
  excluded: ReadonlyArray<string>
): ReadonlyArray<Evidence> => {
  const isClass = (column: Column) =>
    comesBack(column) && wordsOf(column) <= LONGEST.words && !usualTexts.includes(column.name.toLowerCase())
  const free = textsIn(all).filter((column) => ![...excluded, text, textPair].includes(column.name) && !isClass(column))
  if (text !== undefined) return [evidence({ text, ...(textPair === undefined ? {} : { textPair }) }, sure.named, {})]
  const pair = textPair === undefined ? pairIn(textPairs, free) : undefined
  if (pair !== undefined) {
    const [first, second] = pair.map(({ name }) => name) as [string, string]
    return [
      evidence({ text: first, textPair: second }, sure.usual, {
        text: `rows have two texts, in the columns ${quoted(first)} and ${quoted(second)}`,
        textPair: "the second of the two"
      })
    ]
  }
  const second = textPair === undefined ? {} : { textPair }
  const of = (column: Column, certainty: number, reason: string) =>
    evidence({ text: column.name, ...second }, certainty, { text: reason })
  const named = usual(
    usualTexts,
    free.map(({ name }) => name)
  )
  const byName = free.find(({ name }) => name === named)
  if (byName !== undefined) return [of(byName, sure.usual, "a typical name for a text")]
  const [longest, next] = free.toSorted((a, b) => lengthOf(b) - lengthOf(a))
  if (longest === undefined) return []
  const characters = `${Math.round(lengthOf(longest))} characters on average`
  if (next === undefined) return [of(longest, sure.usual, `the only text column: ${characters}`)]
  if (lengthOf(longest) > 2 * lengthOf(next)) {
    const runnerUp = `those of ${quoted(next.name)} ${Math.round(lengthOf(next))}`
    return [of(longest, sure.usual, `the longest texts by far: ${characters}, ${runnerUp}`)]
  }
  return free.slice(0, MOST_TEXTS).map((column) => of(column, sure.possible, "one of several text columns"))
}

// ——— the target

/** Common names of label columns: unambiguous ones, and possible ones. */
const certainLabel = /^(.*[_ ])?(label|labels|class|category|sentiment|target|intent)$/i
const likelyLabel = /^(stars|rating|emotion|topic|topics|type|kind|genre|spam|is[_A-Z].*|.*_type)$/i

// too few rows to see whether values repeat
const FEW_ROWS = 5

// longer values are texts
const LONGEST = { words: 4, characters: 60 }

// Fewer different whole numbers are as likely names of classes; the order of two or three carries little information.
const MOST_NUMBERED_CLASSES = 20
const ORDERED = 4

/** Separators of labels in a cell of a table. */
const separators = ["|", ";", ",", "/"] as const

const partsOf = (cell: unknown, separator: string): ReadonlyArray<string> =>
  String(cell)
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== "")

/**
 * Returns the separator between the labels of a column's cells, if some cells have several, their parts are short and repeat, and they form
 * more combinations than class names with a comma would.
 */
export const separatorIn = (column: Column): string | undefined => {
  if (!isEvery(column, (cell) => typeof cell === "string" && listIn(cell) === undefined) || numbersIn(column))
    return undefined
  return separators.find((separator) => {
    const cells = column.filled.map((cell) => partsOf(cell, separator))
    const parts = cells.flat()
    const several = cells.filter(({ length }) => length > 1).length
    const different = new Set(parts).size
    const again = new Set(parts.filter((part, i) => parts.indexOf(part) < i)).size
    const isShort = parts.every(
      (part) => part.length <= LONGEST.characters && part.split(/\s+/).length <= LONGEST.words
    )
    return (
      isShort &&
      several >= Math.max(2, column.filled.length / 10) &&
      again >= different / 2 &&
      column.different > Math.min(different, column.filled.length / 2)
    )
  })
}

/** Returns how a column stores lists of labels: as lists, or with a separator; undefined if it has none. */
export const labelLists = (column: Column): { readonly separator?: string } | undefined => {
  const areLists = isEvery(column, (cell) => listIn(cell)?.every(isScalar) === true && !isNumbers(cell))
  if (areLists) return {}
  const separator = separatorIn(column)
  return separator === undefined ? undefined : { separator }
}

const isNumbers = (cell: unknown): boolean => {
  const list = listIn(cell) ?? []
  return list.length > 0 && list.every((entry) => typeof entry === "number")
}

/** Returns the labels of a cell. */
export const labelsOfCell = (cell: unknown, separator: string | undefined): ReadonlyArray<string> =>
  cell === undefined
    ? []
    : (listIn(cell)?.map(String) ?? (separator === undefined ? [String(cell)] : partsOf(cell, separator)))

/** Returns the columns of 0 and 1, one label each if there are several. */
export const flagsIn = (columns: ReadonlyArray<Column>): ReadonlyArray<Column> =>
  columns.filter((column) => column.filled.length === column.cells.length && isEvery(column, isFlag))

/** A column that may be the class, the certainty, and the reason. */
export interface LabelEvidence {
  readonly column: Column
  readonly certainty: number
  readonly reason: string
}

/** Returns the columns that may be the class of a row, the most certain first. */
export const labelEvidence = (
  all: ReadonlyArray<Column>,
  { label }: Columns,
  excluded: ReadonlyArray<string>
): ReadonlyArray<LabelEvidence> => {
  const named = all.find(({ name }) => name === label)
  if (named !== undefined) return [{ column: named, certainty: sure.named, reason: "the named column" }]
  const flags = flagsIn(all)
  return all
    .flatMap((column): ReadonlyArray<LabelEvidence> => {
      const { name, filled, cells, different } = column
      if (excluded.includes(name) || !isEvery(column, isScalar) || labelLists(column) !== undefined) return []
      const isNamed = certainLabel.test(name) || likelyLabel.test(name)
      const isWhole = filled.length === cells.length
      const isShort = wordsOf(column) <= LONGEST.words && lengthOf(column) <= LONGEST.characters
      const values = `${counted(different, "value")} in ${cells.length} rows`
      // the first rows of a file sorted by class have one class
      const returns = comesBack(column) || (different === 1 && certainLabel.test(name))
      if (name.toLowerCase() === "label" && (returns || (isShort && filled.length < FEW_ROWS)))
        return [{ column, certainty: sure.clearly, reason: `a typical name for a label; ${values}` }]
      // each of a few rows may have its own class
      const isFew = filled.length < FEW_ROWS && (different > 1 || filled.length === 1)
      if (!isShort || !isWhole || !(isFew || (returns && !isKey(column)))) return []
      const numbers = numbersIn(column)
      if (numbers?.every(Number.isInteger) === false) return []
      if (numbers !== undefined && different > MOST_NUMBERED_CLASSES) return []
      const reason = isNamed ? `a typical name for a label; ${values}` : `few values: ${values}`
      const isAside = aboutRows.test(name) || usualTexts.includes(name.toLowerCase())
      const isOneOfFlags = flags.length > 1 && flags.includes(column)
      const isOrdered = numbers !== undefined && different >= ORDERED
      const byShape = isAside || isOneOfFlags || isFew ? sure.possible : isOrdered ? sure.likely : sure.only
      const certainty = byShape === sure.only && certainLabel.test(name) ? sure.usual : byShape
      return [{ column, certainty, reason }]
    })
    .map((candidate, _, { length }) =>
      length > 1 ? candidate : { ...candidate, reason: candidate.reason.replace(/^few/, "the only column of few") }
    )
    .toSorted((a, b) => b.certainty - a.certainty)
}

/** Common names of numeric targets. */
const usualNumbers =
  /^(.*[_ ])?(score|rating|stars|value|price|grade|points|age|target|cost|amount|duration|minutes|years)$/i

/** Returns the columns that may be a numeric target, the most certain first. */
export const numberEvidence = (
  all: ReadonlyArray<Column>,
  excluded: ReadonlyArray<string>
): ReadonlyArray<LabelEvidence> => {
  const measures = all.filter(
    (column) => !excluded.includes(column.name) && numbersIn(column) !== undefined && !isKey(column)
  )
  const nonMeasures = all.filter(
    (column) =>
      labelLists(column) !== undefined || (!isTextColumn(column) && !isKey(column) && !measures.includes(column))
  )
  return measures
    .flatMap((column): ReadonlyArray<LabelEvidence> => {
      const { name, filled, cells, different } = column
      const numbers = numbersIn(column)!
      const isWhole = numbers.every(Number.isInteger)
      if (filled.length < cells.length || different < (isWhole ? ORDERED : 3) || certainLabel.test(name)) return []
      const isUsual = usualNumbers.test(name)
      const few = isWhole && different <= MOST_NUMBERED_CLASSES && comesBack(column)
      const alone = measures.length === 1 && nonMeasures.length === 0
      const certainty = few ? sure.likely - 0.05 : isUsual ? sure.usual : alone ? sure.only : sure.possible
      const fraction = isWhole ? "" : ", not all of them whole"
      const reason = `${different} different numbers in the first ${cells.length} rows${fraction}: it is learned as a number, not as a class`
      return [{ column, certainty, reason }]
    })
    .toSorted((a, b) => b.certainty - a.certainty)
}

// ——— text

const LONGEST_EXAMPLE = 60

/** Formats a cell for a sentence; of a list of messages, the last one. */
export const shownText = (cell: unknown): string => {
  const last = Array.isArray(cell) ? cell.at(-1) : undefined
  const content = isRow(last) ? (last["content"] ?? last["value"]) : cell
  return `“${cut(String(content).replace(/\s+/g, " ").trim(), LONGEST_EXAMPLE)}”`
}

/** Formats the name of a column for a sentence. */
export const shownColumn = (name: string): string => `\`${cut(name)}\``

/** Formats the classes of a column: "3 classes in `stars`". */
export const classesIn = ({ name, different }: Column): string =>
  `${counted(different, "class", "classes")} in ${shownColumn(name)}`

/** Returns the word for a row: the name of its text column, or "text". */
export const rowName = ({ text = "text", textPair }: Columns): string =>
  textPair === undefined
    ? /^text$/i.test(text)
      ? "text"
      : cut(text)
    : `pair of ${shownColumn(text)} and ${shownColumn(textPair)}`

/** Formats the first row with a target: "“Great pasta, slow service” → food". */
export const exampleOf = (
  rows: ReadonlyArray<Row>,
  { text, textPair }: Columns,
  targetText: (row: Row) => string
): string => {
  const row = rows.find((candidate) => targetText(candidate) !== "") ?? rows[0]
  if (row === undefined || text === undefined) return ""
  const read = [text, ...(textPair === undefined ? [] : [textPair])].map((name) => shownText(row[name]))
  return `${read.join(" and ")} → ${targetText(row)}`
}

/** Combines a text column and a target to a detected task. */
export const foundWith = (
  format: string,
  text: Evidence,
  target: { readonly certainty: number; readonly columns: Columns; readonly choices: ReadonlyArray<Choice> },
  texts: Pick<Found, "sentence" | "example">
): Found => ({
  format,
  ...texts,
  // both must be right
  certainty: text.certainty * target.certainty,
  columns: { ...text.columns, ...target.columns },
  // in the order of a plan's sections
  choices: [...target.choices, ...text.choices].toSorted((a, b) => order(a) - order(b))
})

const order = ({ path }: Choice): number => ["data.format", "data.text", "data.textPair"].indexOf(path) + 1 || 4
