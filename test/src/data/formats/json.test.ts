/** JSON files have the rows that JSON lines have, on the lines on which their objects begin; what holds several lists, or none, is refused. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { openLabelledFile, sampledRows } from "../../../../src/data/index.ts"
import { randomStream } from "../../../../src/numbers/random.ts"
import { failureOf, run, temporaryFiles } from "../files.ts"

const { fileOf } = temporaryFiles()
const columns = { text: "text", label: "label" }

const random = randomStream(7, "json rows")
const among = <A>(list: ReadonlyArray<A>): A => list[Math.floor(random() * list.length)]!
const letters = ["a", "ä", "\\", '"', "{", "}", "[", "]", ",", ":", "\n", "€", "😀", "]}"]
const rows = Array.from({ length: 200 }, (_, i) => ({
  text: `${i} ${Array.from({ length: Math.floor(random() * 30) }, () => among(letters)).join("")}`,
  label: among(["x", "y"]),
  more: among([null, [], [{ text: "no row" }], { deep: [[1, "]"], {}] as ReadonlyArray<unknown> }])
}))

/** The text between two rows, and what a list of rows stands in. */
const spaces = [",", ", ", ",\n", "\n,\r\n\r\n  ", " ,\t"]
const around: Readonly<Record<string, readonly [before: string, after: string]>> = {
  "a list": ["[", "]"],
  "a list after a mark": ["\uFEFF \n[\n  ", "\n]\n"],
  "an object": ['{ "version": 1, "data": [', "] }"],
  "an object with other lists": ['{"n":["a","]"],"o":{"p":[[{}]],"q":[1]},"rows":[', '],"last":{"e":[]}}\n'],
  "an object in an object": ['{"set":{"name":"films]","items": [\n', "]}}"],
  "an object, and a deeper list of objects": ['{"schema":{"fields":[{"name":"text"}]},"data":[', "]}"]
}

const read = (file: string) =>
  run(
    Effect.flatMap(openLabelledFile(file, columns), (source) =>
      source.read(Array.from({ length: source.rows }, (_, i) => source.rows - 1 - i))
    )
  )

describe.each(Object.entries(around))("rows in %s", (_, [before, after]) => {
  test.each(spaces)("with %j between them are read by position, from their own lines", async (between) => {
    let content = before
    const expected = rows.map((row, i) => {
      if (i > 0) content += between
      const line = content.split("\n").length
      content += JSON.stringify(row)
      return { text: row.text, label: row.label, line }
    })
    const found = await read(fileOf("json", content + after))
    const placed = found.map(({ text, label, where }) => ({ text, label, line: Number(where.split(":").at(-1)) }))
    expect(placed.toReversed()).toEqual(expected)
  })
})

test("rows that cross the stretches in which a file is read", async () => {
  const long = Array.from({ length: 5 }, (_, i) => ({ text: `${i}${"a\\]".repeat(200_000)}`, label: "x" }))
  const found = await read(fileOf("json", JSON.stringify({ data: long }, null, 1)))
  expect(found.map(({ text }) => text)).toEqual(long.map(({ text }) => text).toReversed())
})

test("JSON lines under the name of JSON", async () => {
  const file = fileOf("json", '{"a":[{"b":1}],"text":"one"}\n\n{"text":"two"}\n')
  const { rows: found, count } = await run(sampledRows(file, 10))
  expect(count).toBe(2)
  expect(found[1]).toEqual({ text: "two" })
})

describe("what is wrong is said with its line", () => {
  const failing = (content: string) => failureOf(openLabelledFile(fileOf("json", content), columns))
  const cases: ReadonlyArray<readonly [content: string, message: string]> = [
    ["[]", "rows.json: the file has no rows; at least one is needed"],
    ["{}", "rows.json: the file is a single object without a list of objects; expected rows as [ {…}, {…} ]"],
    [
      '{"a":[1],"b":{"c":[]}}',
      'rows.json: the file is a single object without a list of objects (the lists "a", "b.c" have none); expected rows as [ {…}, {…} ]'
    ],
    [
      '{"train":[{}],"test":[{}]}',
      'rows.json: its rows could be any of several lists: "train", "test"; write each list to a separate file'
    ],
    ['[{"text":"a"},\n{"text":', "rows.json:2: the file ends inside the list of its rows; is it complete?"],
    ['{"data":[{}]', "rows.json:1: the file ends inside a value; is it complete?"],
    ["[{}]\n[{}]", "rows.json:2: more text follows after the JSON value"],
    ["[{}}", "rows.json:1: the list of rows ends with }; expected ]"],
    ['{"a":1]', "rows.json:1: found a closing bracket without an opening one"],
    [
      "text,label\n",
      "rows.json:1: this is not JSON; expected a list of objects; if the rows have another format, name the file .jsonl or .csv"
    ],
    [
      "]",
      "rows.json:1: this is not JSON; expected a list of objects; if the rows have another format, name the file .jsonl or .csv"
    ],
    ['[{"text":"a","label":"x"},\n3,\n{"text" "b"}\n]', "rows.json: 2 problems:"],
    [`${'{"a":'.repeat(100)}1`, "rows.json:1: nests deeper than 64 levels"],
    [`{${Array.from({ length: 2_000 }, (_, i) => `"${i}":[]`).join()}}`, "rows.json:1: more than 1000 lists"]
  ]
  test.each(cases)("%s", async (content, message) => {
    expect(await failing(content)).toStartWith(message)
  })

  test("each row that is not one", async () => {
    expect(await failing('[{"text":"a","label":"x"},\n3,\n\n  {"text" "b"}\n]')).toBe(
      [
        "rows.json: 2 problems:",
        "  rows.json:2: found 3, expected an object",
        '  rows.json:4: not JSON: {"text" "b"}'
      ].join("\n")
    )
  })
})
