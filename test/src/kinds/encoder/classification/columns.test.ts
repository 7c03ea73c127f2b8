/** Which columns of a file are the text and the label, where nobody names them. */
import { describe, expect, test } from "bun:test"
import { labelledColumns } from "../../../../../src/kinds/encoder/classification/index.ts"
import type { Columns, Row } from "../../../../../src/suggest/index.ts"

const count = 50
const rowsOf = (made: (i: number) => Row): ReadonlyArray<Row> => Array.from({ length: count }, (_, i) => made(i))
const found = (rows: ReadonlyArray<Row>, columns: Columns = {}) => {
  const choices = labelledColumns(rows, columns)
  return typeof choices === "string"
    ? choices
    : choices.map(({ path, value, reason }) => `${path} = ${value}: ${reason}`)
}
const few = ["gut", "schlecht", "egal"]

describe("the text and the label", () => {
  test("called as a plan calls them need no word, whatever they hold", () => {
    expect(found(rowsOf((i) => ({ id: i, text: "a film", label: null })))).toEqual([])
  })

  test("two columns of which one has few values", () => {
    expect(found(rowsOf((i) => ({ Bewertung: `Bestellung ${i} kam`, Art: few[i % 3] })))).toEqual([
      "data.text = Bewertung: the only column of texts: 17 characters on average".replace("17", "17"),
      "data.label = Art: the only column of few values: 3 values in 50 rows"
    ])
  })

  test("usual names, in whatever case", () => {
    expect(found(rowsOf((i) => ({ Review: `film ${i}`, Sentiment: few[i % 3], source: few[i % 2] })))).toEqual([
      "data.text = Review: a usual name of a text",
      "data.label = Sentiment: a usual name of a label; 3 values in 50 rows"
    ])
  })

  test("numbers as text, as CSV has them, are no texts; labels may be numbers", () => {
    expect(found(rowsOf((i) => ({ preis: `${i},50`, worte: `Tasse ${i}`, sterne: i % 5 })))).toEqual([
      "data.text = worte: the only column of texts: 8 characters on average",
      "data.label = sterne: the only column of few values: 5 values in 50 rows"
    ])
  })

  test("of several texts the longest by far", () => {
    const rows = rowsOf((i) => ({ title: `No. ${i}`, story: "It was a dark night. ".repeat(9) + i, topic: few[i % 3] }))
    expect(found(rows)).toEqual([
      'data.text = story: the longest texts by far: 191 characters on average, those of "title" 6',
      "data.label = topic: a usual name of a label; 3 values in 50 rows"
    ])
  })

  test("what a user names is taken, and the other is looked for among the rest", () => {
    const rows = rowsOf((i) => ({ a: `one ${i}`, b: `two ${i}`, c: few[i % 3], d: few[i % 2] }))
    expect(found(rows, { text: "a", label: "c" })).toEqual([])
    expect(found(rows)).toBe(
      "which column holds the text and which the label cannot be recognised from the first 50 rows: name it with --text and --label (found: a, b, c, d)"
    )
    expect(found(rows, { text: "a" })).toContain("name it with --label (")
    expect(found(rows, { label: "c" })).toContain("name it with --text (")
  })

  test("two texts by their usual names, and the label beside them", () => {
    expect(found(rowsOf((i) => ({ premise: `p ${i}`, hypothesis: `h ${i}`, gold: few[i % 3] })))).toEqual([
      'data.text = premise: rows have two texts, in the columns "premise" and "hypothesis"',
      "data.textPair = hypothesis: the second of the two",
      "data.label = gold: the only column of few values: 3 values in 50 rows"
    ])
    // no label beside them: one of the two is it
    expect(found(rowsOf((i) => ({ question: `Is it ${i}?`, answer: i % 2 === 0 ? "yes" : "no" })))).toEqual([
      "data.text = question: the only column of texts: 9 characters on average",
      "data.label = answer: the only column of few values: 2 values in 50 rows"
    ])
  })
})
