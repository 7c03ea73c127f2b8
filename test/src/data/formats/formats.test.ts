/** Every reader of rows takes every format: the same rows come out of a file whatever it is written in. */
import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { arrayEvaluationBatches, firstRows, openArrays, openLabelledFile, records } from "../../../../src/data/index.ts"
import { failureOf, run, temporaryFiles } from "../files.ts"

const { fileOf } = temporaryFiles()
const rows = [
  { text: "a fine film", label: "good" },
  { text: "a bore, in short", label: "bad" }
]
/** A format is a row here. */
const written: Readonly<Record<string, string>> = {
  jsonl: rows.map((row) => JSON.stringify(row)).join("\n"),
  ndjson: rows.map((row) => `${JSON.stringify(row)}\r\n`).join(""),
  json: JSON.stringify(rows, null, 2),
  tsv: `text\tlabel\n${rows.map(({ text, label }) => `${text}\t${label}`).join("\n")}\n`,
  csv: `text,label\n${rows.map(({ text, label }) => `"${text}",${label}`).join("\n")}\n`
}

const words = { tokens: ["a", "fine", "film"], labels: ["O", "B-x", "I-x"] }

describe.each(["conll", "iob2", "bio"])(".%s", (extension) => {
  const rowsIn = (content: string) => Stream.runCollect(records(fileOf(extension, content)))
  const read = async (content: string) =>
    (await run(rowsIn(content))).map(({ value, where }) => [Number(where.split(":").at(-1)), value] as const)

  test("a row is the lines up to a blank one", async () => {
    const one = "a O\nfine B-x\nfilm I-x\n"
    const spaced = one.replaceAll(" ", "  ").replaceAll("\n", "\r\n")
    const tabs = one.replaceAll(" ", "\t")
    for (const text of [one, spaced, tabs, `# id 1 2\n${one}`, `# id\n# domain a b\n${tabs}`, one.trimEnd()])
      for (const gap of ["\n", "\r\n", "\n \n\n", "\n-DOCSTART- -X- O\n\n"]) {
        const rows = await read(`${text.endsWith("\n") ? text : `${text}\n`}${gap}${text}`)
        expect(rows.map(([, row]) => row)).toEqual([words, words])
      }
  })

  test("lines count from the file's first", async () => {
    expect((await read("\n\na O\n\n\nb O\n\n-DOCSTART- O\n\nc O\n")).map(([line]) => line)).toEqual([3, 6, 8])
  })

  test("columns between the words and their labels have numbers; between tabs a word may have spaces", async () => {
    expect(await read("New York\tNNP\tB-x\n#\tSYM\tO")).toEqual([
      [1, { tokens: ["New York", "#"], column2: ["NNP", "SYM"], labels: ["B-x", "O"] }]
    ])
  })

  test("a text is whole where a chunk of the file ends in it, or before the blank line", async () => {
    const starts = Array.from({ length: 60_000 }, (_, i) => (i % 7 === 0 ? "-DOCSTART- O\n\n" : ""))
    const texts = starts.map((start, i) => `${start}word${i} B-x\nof${i} O\n`)
    expect(texts.join("\n").length).toBeGreaterThan(1.5 * 2 ** 20)
    const rows = (await read(texts.join("\n"))).map(([, row]) => row)
    expect(rows).toEqual(texts.map((_, i) => ({ tokens: [`word${i}`, `of${i}`], labels: ["B-x", "O"] })))
  })

  test("what may be read otherwise than it was meant is an error with its line", async () => {
    const content = "a O\nb\n\na\tb\tO\nc\tO\n\n# 1\nb O\n\n# c\n\n"
    const problems = (await failureOf(rowsIn(content))).split("\n").slice(1)
    expect(problems.map((line) => line.replace(/.*?:/, ""))).toEqual([
      "1: line 2 has no label; expected a word and its label, with a tab or spaces between them: b",
      "4: line 4 has 3 columns, but line 5 has 2: a b O",
      '7: line 7 is a comment or the word "#"; remove it, or separate the columns with tabs: # 1',
      '10: line 10 is a comment or the word "#"; remove it, or separate the columns with tabs: # c'
    ])
    expect(await failureOf(rowsIn("-DOCSTART- O\n"))).toEndWith(":1: has no words")
  })
})

describe.each(Object.entries(written))(".%s", (extension, content) => {
  const files = [fileOf(extension, content), fileOf(`${extension}.gz`, gzipSync(content))]

  test("labelled texts, as it is and packed by gzip", async () => {
    for (const file of files) {
      const found = await run(
        Effect.flatMap(openLabelledFile(file, { text: "text", label: "label" }), (source) => source.read([1, 0]))
      )
      expect(found.map(({ text, label }) => ({ text, label }))).toEqual(rows.toReversed())
    }
  })

  test("values, and the first of them", async () => {
    for (const file of files) {
      const values = await run(Stream.runCollect(records(file)))
      expect(values.map(({ value }) => value)).toEqual(rows)
      expect(await run(firstRows(file, 1))).toEqual(rows.slice(0, 1))
    }
  })
})

test("a URL is no path, and is not repeated", async () => {
  expect(await failureOf(firstRows("https://user:secret@example.org/rows.csv", 1))).toBe(
    "data: found a URL; expected a path: download it first"
  )
})

test("labelled texts out of a parquet file: its rows count from 1", async () => {
  const file = join(import.meta.dir, "../../../golden/parquet/chats-snappy.parquet")
  const all = await run(firstRows(file, 1000))
  const empty = all.flatMap(({ source }, i) => (source === null ? [i + 1] : []))
  expect(empty.length).toBeGreaterThan(0)
  const problems = (await failureOf(openLabelledFile(file, { text: "source", label: "id" }))).split("\n").slice(1)
  expect(problems.map((line) => line.replace(/.*parquet:/, ""))).toEqual(
    empty.map((row) => `${row}: the text "source" is null, expected a string`)
  )
  expect(await failureOf(openLabelledFile(file, { text: "txt", label: "id" }))).toContain(
    'no text field "txt" (found: id'
  )
})

describe("rows of numbers out of columns of one number each", () => {
  const digits = "digit;p0;p10;p2;p1\n7;0;10;2;1\n1;4;14;6;5.5\n"
  const valuesOf = async (
    input: string | ReadonlyArray<string>,
    content = digits,
    extension = "csv",
    label = "digit"
  ) => {
    const section = { format: "arrays", train: fileOf(extension, content), input, label, scale: 1 } as const
    const batches = await run(
      Effect.flatMap(openArrays(section, 0, 4), ({ splits }) =>
        Stream.runCollect(arrayEvaluationBatches(splits.train, { batchSize: 2, shape: [4], scale: 1 }))
      )
    )
    return [...batches[0]!.inputs[0]!.values]
  }
  const inOrder = [0, 1, 2, 10, 4, 5.5, 6, 14]

  test("a pattern takes them in the order of their numbers, and never the label", async () => {
    expect(await valuesOf("p*")).toEqual(inOrder)
    expect(await valuesOf("p*", digits.replace("digit", "p3"), "csv", "p3")).toEqual(inOrder)
    // those that no number tells apart in the file's order
    expect(await valuesOf("*", digits.replace("p10", "x"))).toEqual([0, 10, 2, 1, 4, 14, 6, 5.5])
  })

  test("names in the order of the list; JSON lines in any order of their own", async () => {
    expect(await valuesOf(["p0", "p1", "p2", "p10"])).toEqual(inOrder)
    const lines = '{"digit":7,"p1":1,"p0":0,"p2":2,"p10":10}\n{"p10":14,"digit":1,"p0":4,"p2":6,"p1":5.5}\n'
    expect(await valuesOf("p*", lines, "jsonl")).toEqual(inOrder)
  })

  test("what is wrong with them is said", async () => {
    const failing = (input: string | ReadonlyArray<string>, content: string) =>
      failureOf(openArrays({ format: "arrays", train: fileOf("csv", content), input, label: "digit", scale: 1 }, 0, 2))
    expect(await failing("p*", "digit;p0;p1\n7;0;\n7;0,5;1\n7;x;1\n")).toBe(
      [
        "rows.csv: 3 problems:",
        '  rows.csv:2: the input "p1" is blank, expected a number',
        '  rows.csv:3: the input "p0" is "0,5", expected a number',
        '  rows.csv:4: the input "p0" is "x", expected a number'
      ].join("\n")
    )
    expect(await failing("q*", "digit;p0;p1\n7;0;1\n")).toContain('no input field "q*" (found: digit, p0, p1')
    expect(await failing("p*", "digit;p0\n7;0\n")).toContain('the input "p*" has 1 numbers, expected 2')
    expect(await failing(["p0", "p9"], "digit;p0;p1\n7;0;1\n")).toContain('rows.csv:1: no input field "p9"')
    const many = Array.from({ length: 40 }, (_, i) => `c${i}`)
    expect(await failing(many, "digit,p0\n7,1\n")).toContain("; and 30 more like these")
  })
})

test("rows of numbers out of CSV, each list as JSON text", async () => {
  const file = fileOf("csv", 'pixels,digit\n"[[1, 2], [3, 4]]",7\n"[5,6,7,8]",1\n')
  const section = { format: "arrays", train: file, input: "pixels", label: "digit", scale: 1 } as const
  const batches = await run(
    Effect.flatMap(openArrays(section, 0, 4), ({ splits }) =>
      Stream.runCollect(arrayEvaluationBatches(splits.train, { batchSize: 2, shape: [4], scale: 0.5 }))
    )
  )
  expect([...batches[0]!.inputs[0]!.values]).toEqual([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4])
  expect([...batches[0]!.labels]).toEqual([1, 0])
  const ragged = fileOf("csv", 'pixels,digit\n"[[1, 2, 3], [4]]",7\n"[[1, 2], 3, 4]",1\n')
  const lengths = 'the input "pixels" has lists of different lengths, expected 4 numbers'
  expect((await failureOf(openArrays({ ...section, train: ragged }, 0, 4))).split("\n")).toEqual([
    "rows.csv: 2 problems:",
    `  rows.csv:2: ${lengths}`,
    `  rows.csv:3: ${lengths}`
  ])
  const wrong = fileOf("csv", "pixels,digit\nmany,7\n")
  expect(await failureOf(openArrays({ ...section, train: wrong }, 0, 4))).toContain(
    'the input "pixels" is a string, expected a list of 4 numbers'
  )
})
