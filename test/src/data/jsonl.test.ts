import { afterEach, describe, expect, test } from "bun:test"
import { mkdirSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { limits, setLimits } from "../../../src/boundary/index.ts"
import { openLabelledFile } from "../../../src/data/labelled-rows.ts"
import { failureOf, run, temporaryFiles } from "./files.ts"

const { fileOf, folder } = temporaryFiles()

const columns = { text: "text", label: "label" }
const open = (content: string | Uint8Array) => openLabelledFile(fileOf("jsonl", content), columns)
const read = (content: string, indices: ReadonlyArray<number>) =>
  run(Effect.flatMap(open(content), (source) => source.read(indices)))

describe("a JSON Lines file", () => {
  const content = [
    '\uFEFF{"text": "ein schöner Film 🎬", "label": "good", "extra": [1]}',
    "",
    '{"label": 2, "text": "line\\nbreak"}\r',
    "   ",
    '{"text": "three", "label": true}'
  ].join("\n")

  test("reads rows in the order asked for, each with its line; numbers and booleans become labels", async () => {
    expect(
      (await read(content, [2, 0, 1, 2])).map(({ where, ...row }) => ({ ...row, line: where.split(":").at(-1) }))
    ).toEqual([
      { text: "three", label: "true", line: "5" },
      { text: "ein schöner Film 🎬", label: "good", line: "1" },
      { text: "line\nbreak", label: "2", line: "3" },
      { text: "three", label: "true", line: "5" }
    ])
  })

  test("the index counts labels and knows their first rows", async () => {
    const { index } = await run(open('{"text":"a","label":"x"}\n{"text":"b","label":"y"}\n{"text":"c","label":"y"}\n'))
    expect(index.rows).toBe(3)
    expect(index.labels).toEqual([
      { label: "x", rows: 1, firstRow: 0 },
      { label: "y", rows: 2, firstRow: 1 }
    ])
    expect([0, 1, 2].map(index.label)).toEqual([0, 1, 1])
  })

  test("all kinds of broken rows at once, each with its line", async () => {
    const broken = [
      '{"text": "fine", "label": "a"}',
      "text,label",
      "",
      '["a list"]',
      '"a string"',
      '{"txt": "x", "label": "a"}',
      '{"text": 3, "label": null}',
      '{"text": " ", "label": ""}',
      "{}",
      '{"text": "x", "label": ["a"]}'
    ].join("\n")
    expect(await failureOf(open(broken))).toMatchInlineSnapshot(`
      "rows.jsonl: 8 problems:
        rows.jsonl:2: not JSON; write the row as one object on its line, with double quotes and no comma after it: text,label
        rows.jsonl:4: found a list, expected an object
        rows.jsonl:5: found "a string", expected an object
        rows.jsonl:6: no text field "text" (found: txt, label; did you mean "txt"?)
        rows.jsonl:7: the text "text" is a number, expected a string; the label "label" is null, expected a string, a number or a boolean
        rows.jsonl:8: the text "text" is blank; the label "label" is blank
        rows.jsonl:9: no text field "text" (found: no fields); no label field "label" (found: no fields)
        rows.jsonl:10: the label "label" is a list, expected a string, a number or a boolean"
    `)
  })

  test("spells out ten of many, and counts the rest", async () => {
    const lines = (await failureOf(open("{\n".repeat(1234)))).split("\n")
    expect(lines).toHaveLength(11)
    expect(lines[0]).toBe("rows.jsonl: 1,234 problems, 10 of them:")
    expect(lines[10]).toBe(
      "  rows.jsonl:10: not JSON; write the row as one object on its line, with double quotes and no comma after it: {"
    )
  })

  test("bytes that are not UTF-8 are a broken row, not a replaced letter", async () => {
    const latin1 = Buffer.from('{"text": "sch\u00f6n", "label": "a"}', "latin1")
    expect(await failureOf(open(latin1))).toBe(
      'rows.jsonl:1: not valid UTF-8; as Windows-1252 it reads "schön": if that is right, set data.encoding to "latin1" (of suggest: --encoding); else save the file as UTF-8'
    )
  })

  test("rows longer than a chunk, and rows at chunk borders, come back whole", async () => {
    const texts = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(100_000 + 13 * i, "é")) // 8 MB of two-byte letters
    texts.push("z".repeat(3 << 20))
    const lines = texts.map((text) => JSON.stringify({ text, label: "a" })).join("\n")
    const rows = await read(lines, [...texts.keys()])
    expect(rows.every((row, i) => row.text === texts[i])).toBe(true)
  })
})

describe("a row longer than the limit", () => {
  afterEach(() => setLimits({ "row-bytes": limits["row-bytes"].default }))
  const rowOf = (bytes: number) => {
    const around = JSON.stringify({ text: "", label: "a" }).length
    return JSON.stringify({ text: "x".repeat(bytes - around), label: "a" })
  }

  test.each([
    ["whose end is read with its beginning", (long: string) => `${rowOf(99)}\n${long}\n${rowOf(99)}\n`],
    ["at the end of the file", (long: string) => `${rowOf(99)}\n${long}`]
  ])("%s", async (_, file) => {
    setLimits({ "row-bytes": 1_000 })
    // a line's end is one of its bytes
    expect(await failureOf(open(file(rowOf(1_001))))).toStartWith("rows.jsonl:2: the row is longer than 1,000 bytes")
    expect((await run(open(file(rowOf(999))))).index.rows).toBeGreaterThan(1)
  })
})

const aFolder = () => {
  mkdirSync(`${folder}/folder.jsonl`)
  return `${folder}/folder.jsonl`
}

describe("files that cannot be used", () => {
  test.each([
    ["missing", () => `${folder}/none.jsonl`, "/none.jsonl: no such file (looked for /none.jsonl)"],
    ["a folder", aFolder, "/folder.jsonl: this is a folder; give a data file in it"],
    ["empty", () => fileOf("jsonl", ""), "rows.jsonl: the file is empty; at least one row is needed"],
    ["blank", () => fileOf("jsonl", "\n  \n"), "rows.jsonl: the file has no rows; at least one is needed"],
    [
      "only a byte order mark",
      () => fileOf("jsonl", "\uFEFF"),
      "rows.jsonl: the file has no rows; at least one is needed"
    ]
  ])("%s", async (_, path, message) => {
    expect(await failureOf(openLabelledFile(path(), columns))).toBe(message)
  })

  test.each([
    ["rows.parquet.gz", "the extension .parquet.gz"],
    ["rows.txt", "the extension .txt"],
    ["LICENSE", "a name without an extension"]
  ])("%s: unknown formats are not guessed at", async (path, beginning) => {
    expect(await failureOf(openLabelledFile(path, columns))).toBe(
      `${path}: ${beginning} does not say which format the file has; expected .jsonl, .ndjson (one object per line), .json (a list of objects), .csv, .tsv, .conll, .iob2 or .bio (a word and its label per line), each also as .gz, or .parquet`
    )
  })

  test("a file that is overwritten while in use fails instead of giving other rows", async () => {
    const path = fileOf("jsonl", '{"text":"a","label":"x"}\n{"text":"b","label":"x"}\n')
    const overwritten = (content: string) =>
      failureOf(
        Effect.gen(function* () {
          writeFileSync(path, '{"text":"a","label":"x"}\n{"text":"b","label":"x"}\n')
          const source = yield* openLabelledFile(path, columns)
          writeFileSync(path, content)
          return yield* source.read([1])
        })
      )
    expect(await overwritten("x")).toBe("rows.jsonl: the file became shorter while it was in use; start again")
    expect(await overwritten("y".repeat(50))).toBe(
      `rows.jsonl:2: the file changed while it was in use: not JSON; write the row as one object on its line, with double quotes and no comma after it: ${"y".repeat(25)}`
    )
  })
})
