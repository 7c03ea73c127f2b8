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
  tsv: `text\tlabel\n${rows.map(({ text, label }) => `${text}\t${label}`).join("\n")}\n`,
  csv: `text,label\n${rows.map(({ text, label }) => `"${text}",${label}`).join("\n")}\n`
}

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
