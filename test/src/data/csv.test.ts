import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { openLabelledFile } from "../../../src/data/index.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import { failureOf, run, temporaryFiles } from "./files.ts"

const { fileOf, jsonlOf } = temporaryFiles()

const columns = { text: "text", label: "label" }
const open = (content: string | Uint8Array, names = columns) => openLabelledFile(fileOf("csv", content), names)
const readAll = (path: string) =>
  run(
    Effect.gen(function* () {
      const source = yield* openLabelledFile(path, columns)
      return yield* source.read(Array.from({ length: source.rows }, (_, i) => i))
    })
  )
const linesOf = (rows: ReadonlyArray<{ readonly where: string }>) =>
  rows.map((row) => Number(row.where.split(":").at(-1)))
const quoted = (field: string) => `"${field.replaceAll('"', '""')}"`

describe("a CSV file", () => {
  const rows = [
    { text: "plain", label: "a" },
    { text: "with, comma", label: "b" },
    { text: 'she said "fine"', label: "a" },
    { text: "two\nlines", label: "b" },
    { text: "three\r\nmore\r\nlines", label: "a" },
    { text: '"', label: 'b"' },
    { text: ' spaces kept, Ünïcode 🎬 "', label: "a" }
  ]

  test.each([
    ["LF", "\n", ""],
    ["CRLF", "\r\n", ""],
    ["CRLF and a byte order mark", "\r\n", "\uFEFF"]
  ])("%s: the same rows as its JSON Lines twin", async (_, newline, mark) => {
    const records = [
      "id,label,text",
      ...rows.map((row, i) => `${i},${quoted(row.label)},${quoted(row.text)}`),
      "",
      '7,"a",last  ' // no final line break, spaces at the end
    ]
    const twin = [...rows, { text: "last  ", label: "a" }]
    const csv = await readAll(fileOf("csv", mark + records.join(newline)))
    const jsonl = await readAll(jsonlOf(twin))
    expect(csv.map(({ text, label }) => ({ text, label }))).toEqual(twin)
    expect(jsonl.map(({ text, label }) => ({ text, label }))).toEqual(twin)
    expect(linesOf(csv)).toEqual([2, 3, 4, 5, 7, 10, 11, 13])
  })

  test("any row by itself is the row that reading all gives", async () => {
    const content = `text,label\n${rows.map((row) => `${quoted(row.text)},${quoted(row.label)}`).join("\n\n")}\n\n`
    const all = await readAll(fileOf("csv", content))
    const single = await run(
      Effect.flatMap(open(content), (source) => Effect.forEach(rows, (_, i) => source.read([rows.length - 1 - i])))
    )
    const expected = all.toReversed().map((row) => [row.text, row.label, linesOf([row])])
    expect(single.map(([row]) => [row!.text, row!.label, linesOf([row!])])).toEqual(expected)
  })

  test("random fields over several chunks survive", async () => {
    const random = randomStream(0, "csv")
    const letters = ["a", "é", "🎬", ",", '"', "\n", "\r\n", " ", "'", ";"]
    const word = () =>
      `x${Array.from({ length: Math.floor(random() * 1500) }, () => letters[Math.floor(random() * letters.length)]).join("")}`
    const many = Array.from({ length: 3000 }, () => ({ text: word(), label: random() < 0.5 ? "a" : "b" }))
    const content = `text,label\r\n${many.map((row) => `${quoted(row.text)},${row.label}\r\n`).join("")}`
    expect(content.length).toBeGreaterThan(2 << 20)
    const found = await readAll(fileOf("csv", content))
    expect(found.length).toBe(many.length)
    expect(found.every((row, i) => row.text === many[i]!.text && row.label === many[i]!.label)).toBe(true)
    let line = 2
    for (const [i, row] of many.entries()) {
      expect(linesOf([found[i]!])).toEqual([line])
      line += 1 + row.text.split("\n").length - 1
    }
  })

  test("all kinds of broken rows at once; a stray quote spoils its own row only", async () => {
    const broken = [
      "text,label",
      "fine,a",
      "too, many, columns",
      "too few",
      'a 5" screen,a',
      '"behind" a quote,a',
      '"two',
      'lines",',
      ",a",
      "fine,a",
      '"never closed,a',
      "fine,a"
    ].join("\n")
    expect(await failureOf(open(broken))).toMatchInlineSnapshot(`
      "rows.csv: 7 problems:
        rows.csv:3: columns: found 3, expected 2 (text, label); a text with commas needs quotes
        rows.csv:4: columns: found 1, expected 2 (text, label)
        rows.csv:5: a quote inside an unquoted field; put the field in quotes and double its quotes
        rows.csv:6: text after a closing quote; double a quote inside a quoted field
        rows.csv:7: the label "label" is blank
        rows.csv:9: the text "text" is blank
        rows.csv:11: a quote is never closed; close it, or double a quote inside a quoted field"
    `)
  })

  test("bytes that are not UTF-8 are a broken row", async () => {
    const content = Buffer.concat([Buffer.from("text,label\nfine,a\n"), Buffer.from("sch\u00f6n,a\n", "latin1")])
    expect(await failureOf(open(content))).toBe(
      'rows.csv:3: not valid UTF-8; as Windows-1252 it reads "schön": if that is right, set data.encoding to "latin1" (of suggest: --encoding); else save the file as UTF-8'
    )
  })

  test.each([
    ["a wrong name", "txt,label\na,b\n", 'rows.csv:1: no text field "text" (found: txt, label; did you mean "txt"?)'],
    ["a repeated column", "text,label,text\n", 'rows.csv:1: the header names the column "text" 2 times'],
    [
      "no separator",
      "\ntext:label\na:b\n",
      'rows.csv:2: no text field "text" (found: text:label; did you mean "text:label"?); no label field "label" (found: text:label); the header is a single column, without a comma, semicolon, tab or | in it'
    ],
    [
      "a broken header",
      'te"xt,label\n',
      "rows.csv:1: in the header row: a quote inside an unquoted field; put the field in quotes and double its quotes"
    ],
    ["no rows", "text,label\n", "rows.csv: the file has no rows; at least one is needed"],
    ["blank", "\n\n", "rows.csv: the file is blank; it needs a header row and at least one row"]
  ])("%s", async (_, content, message) => {
    expect(await failureOf(open(content))).toBe(message)
  })
})
