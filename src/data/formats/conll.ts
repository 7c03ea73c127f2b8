/**
 * Columns of the CoNLL shared tasks: a word and its labels per line, and a blank line after each text. A text is a row with its words, `tokens`,
 * the last column, `labels`, and the columns between them, `column2`, `column3` and so on.
 *
 *   Anna   NNP  B-person
 *   lives  VBZ  O
 */
import * as Effect from "effect/Effect"
import { counted, limit, overLimit } from "../../boundary/index.ts"
import { type Broken, excerpt } from "../columns.ts"
import { type RawRecord, type RecordEnds, type RowFile, textOf, type Value } from "../records.ts"
import { notUtf8, openText } from "../text-file.ts"
import type { FileFormat } from "./format.ts"

export const openConll: FileFormat["open"] = (file) =>
  Effect.map(
    openText(file),
    (text): RowFile => ({
      file: text.file,
      from: text.from,
      ends: () => blankLineEnd,
      parse: (records) => records.map(textValue)
    })
  )

/** Marks the start of a document in a block of its own, which is not a text. */
const documentStart = "-DOCSTART-"
const startBytes = new TextEncoder().encode(documentStart)

const [newline, space] = [10, 32]

/** A record ends with its blank line. The start of a document belongs to the text that follows. */
const blankLineEnd: RecordEnds = (bytes, from) => {
  const startOf = (lineEnd: number) => bytes.lastIndexOf(newline, lineEnd - 1) + 1
  for (let at = bytes.indexOf(newline, from); at >= 0; at = bytes.indexOf(newline, at + 1)) {
    const start = at === 0 ? 0 : startOf(at)
    if (bytes.subarray(start, at).some((byte) => byte > space)) continue
    const before = start === 0 ? 0 : startOf(start - 1)
    if (startBytes.some((byte, i) => bytes[before + i] !== byte)) return at + 1
  }
  return -1
}

interface Line {
  readonly cells: ReadonlyArray<string>
  /** whether it may be a comment: # and a space */
  readonly hash: boolean
  readonly number: number
}

const textValue = (record: RawRecord): Value | Broken => {
  const text = textOf(record)
  if (text === undefined) return notUtf8(record)
  const filled = text.split("\n").flatMap((line, i) => {
    const isText = line.trim() !== "" && !line.startsWith(documentStart)
    return isText ? [{ line: line.replace(/\r$/, ""), number: record.line + i }] : []
  })
  // between tabs a word may have spaces
  const tabs = filled.at(-1)?.line.includes("\t")
  const lines = filled.map(({ line, number }): Line => {
    const cells = tabs ? line.split("\t").map((cell) => cell.trim()) : line.trim().split(/\s+/)
    return { cells, hash: line.startsWith("# "), number }
  })
  const last = lines.at(-1)
  if (last === undefined) return { broken: "has no words" }
  const width = last.cells.length
  const words = lines.slice(lines.findIndex((line) => !isComment(line, width)))
  const [first] = words
  const broken = ({ number, cells }: Line, problem: string): Broken => ({
    broken: `line ${number} ${problem}: ${excerpt(cells.join(" "))}`
  })
  if (width > limit("columns"))
    return broken(last, `has ${counted(width, "column")}, more than ${overLimit("columns")}`)
  if (width < 2) return broken(last, "has no label; expected a word and its label, with a tab or spaces between them")
  // a label is not learned from a comment, nor is a word dropped
  if (first!.hash) return broken(first!, 'is a comment or the word "#"; remove it, or separate the columns with tabs')
  const uneven = words.find(({ cells }) => cells.length !== width)
  if (uneven !== undefined)
    return broken(uneven, `has ${counted(uneven.cells.length, "column")}, but line ${last.number} has ${width}`)
  const columnsOfText = Array.from({ length: width }, (_, column) => words.map(({ cells }) => cells[column]!))
  const names = columnsOfText.map((_, i) => (i === 0 ? "tokens" : i === width - 1 ? "labels" : `column${i + 1}`))
  return { value: Object.fromEntries(names.map((name, i) => [name, columnsOfText[i]!])) }
}

/** Checks whether a line before the words is a comment such as "# id 12": it does not have their columns. */
const isComment = ({ cells, hash }: Line, width: number): boolean => hash && cells.length !== width
