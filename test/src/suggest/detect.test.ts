/** What rows are, by the first of them. */
import { describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import { firstRows, openRows } from "../../../src/data/formats/index.ts"
import { kinds } from "../../../src/kinds/index.ts"
import { detectCausal } from "../../../src/kinds/language/causal/detect.ts"
import { arrays } from "../../../src/kinds/layers/arrays/index.ts"
import { platform } from "../../../src/platform.ts"
import { type Columns, type Detecting, detect, type ModelFacts, sectionsOf } from "../../../src/suggest/index.ts"
import { decoder } from "../../e2e/causal-workspace.ts"
import { jsonLines, repository, workspace } from "../../e2e/fixtures.ts"

type Row = { readonly [column: string]: unknown }

/** The values that a plan gets, by path, of the surest; undefined: of rows that teach nothing. */
const valuesOf = ({ rows }: Detecting, own: ReadonlyArray<Row>, columns: Columns, model?: ModelFacts) => {
  const [found] = rows({ content: "rows", rows: own, train: "rows.jsonl" }, columns, model)
  return found === undefined ? undefined : Object.fromEntries(found.choices.map(({ path, value }) => [path, value]))
}
const formatOf = (rows: ReadonlyArray<Row>, columns: Columns = {}, chats = false) =>
  valuesOf(detectCausal, rows, columns, { chats })
const role = [
  { role: "user", content: "2+2?" },
  { role: "assistant", content: "4" }
]
const from = [
  { from: "human", value: "2+2?" },
  { from: "gpt", value: "4" }
]

describe("rows of a language model", () => {
  const forms: ReadonlyArray<readonly [string, Row, Record<string, unknown>]> = [
    ["OpenAI's messages", { messages: role, id: 1 }, { "data.format": "chat", "data.mapping": "openai" }],
    ["ShareGPT's conversations", { conversations: from }, { "data.format": "chat", "data.mapping": "sharegpt" }],
    [
      "messages under ShareGPT's name",
      { conversations: role },
      { "data.format": "chat", "data.mapping": "openai", "data.messages": "conversations" }
    ],
    [
      "a list under a name of its own",
      { id: "a", dialogue: from },
      { "data.format": "chat", "data.mapping": "sharegpt", "data.messages": "dialogue" }
    ],
    [
      "messages as JSON in a column of text, as CSV has them",
      { messages: JSON.stringify(role) },
      { "data.format": "chat", "data.mapping": "openai" }
    ],
    [
      "Alpaca's columns",
      { instruction: "Add.", input: "", output: "4" },
      { "data.format": "chat", "data.mapping": "alpaca" }
    ],
    [
      "a prompt and its completion",
      { prompt: "2+2=", completion: "4" },
      { "data.format": "completion", "data.prompt": "prompt", "data.completion": "completion" }
    ],
    [
      "a question and its answer",
      { id: "7", question: "2+2?", answer: "4" },
      {
        "data.format": "completion",
        "data.prompt": "Question: {question}\nAnswer:",
        "data.completion": " {answer}"
      }
    ],
    [
      "a question and an answer that begins with its space",
      { question: "2+2?", answer: " 4" },
      { "data.format": "completion", "data.prompt": "question", "data.completion": "answer" }
    ],
    ["a text", { text: "Once." }, { "data.format": "text", "data.text": "text" }],
    ["a text beside a label", { text: "Once.", label: "a" }, { "data.format": "text", "data.text": "text" }],
    [
      "the only column of text",
      { id: 4, speech: "We meet on a day of hope." },
      { "data.format": "text", "data.text": "speech" }
    ]
  ]
  for (const [name, row, values] of forms) {
    test(name, () => {
      expect(formatOf([row, row]) as unknown).toEqual(values)
    })
  }

  test("columns count that all rows have", () => {
    const rows = [
      { prompt: "2+2=", completion: "4", text: "a" },
      { prompt: "2+2=", text: "b" }
    ]
    expect(formatOf(rows)).toEqual({ "data.format": "text", "data.text": "text" })
    expect(formatOf([{ messages: role }, { messages: [] }])).toBeUndefined()
  })

  test("a column that is named decides", () => {
    const row = { messages: role, question: "2+2?", reply: "4", talk: from }
    expect(formatOf([row], { prompt: "question", completion: "reply" })).toEqual({ "data.format": "completion" })
    expect(formatOf([row], { text: "reply" })).toEqual({ "data.format": "text" })
    expect(formatOf([row], { messages: "talk" })).toMatchObject({ "data.mapping": "sharegpt", "data.messages": "talk" })
  })

  test("that nothing is put between prompt and completion is said where nothing is", () => {
    const reason = (row: Row) => {
      const [found] = detectCausal.rows({ content: "rows", rows: [row], train: "rows.jsonl" }, {})
      return found!.choices.at(-1)!.reason
    }
    expect(reason({ prompt: "2+2?", completion: "4" })).toContain("the two are joined without a separator")
    expect(reason({ prompt: "2+2?", completion: " 4" })).not.toContain("the two are joined without")
    expect(reason({ prompt: "2+2?\n", completion: "4" })).not.toContain("the two are joined without")
  })

  test("a question and its answer become a conversation where the model has a chat template", () => {
    expect(formatOf([{ question: "2+2?", answer: "4" }], {}, true)).toEqual({
      "data.format": "chat",
      "data.messages": [
        { role: "user", content: "{question}" },
        { role: "assistant", content: "{answer}" }
      ]
    })
  })

  test("of other columns it knows nothing", () => {
    expect(formatOf([{ chosen: "a", rejected: "b" }])).toBeUndefined()
  })
})

describe("rows of a LayersModel", () => {
  const columnsOf = (rows: ReadonlyArray<Row>, columns: Columns = {}, rescales = false) =>
    valuesOf(arrays.detecting, rows, columns, { rescales })
  const image = [
    [0, 255],
    [12, 0]
  ]

  test("a list, nested or flat, and a label; bytes are scaled, unless the model does it", () => {
    const found = { "data.format": "arrays", "data.input": "pixels", "data.label": "digit" }
    expect(columnsOf([{ pixels: image, digit: 7 }])).toEqual({ ...found, "data.scale": 1 / 255 })
    expect(columnsOf([{ pixels: image, digit: 7 }], {}, true)).toEqual(found)
    expect(columnsOf([{ pixels: [0.5, 200], digit: "a" }])).toEqual(found)
    expect(columnsOf([{ pixels: [-3, 200], digit: "a" }])).toEqual(found)
    expect(columnsOf([{ pixels: [0, 1], digit: true }])).toEqual(found)
  })

  test("of several candidates the usual name is taken, or the one that is named", () => {
    const rows = [{ input: [1, 2], more: [3], label: "a", id: "x" }]
    expect(columnsOf(rows)).toMatchObject({ "data.input": "input", "data.label": "label" })
    expect(columnsOf(rows, { input: "more", label: "id" })).toMatchObject({ "data.input": "more", "data.label": "id" })
  })

  test("a column for each number, as tables have them", () => {
    const row = { label: "7", pixel0: "0", pixel1: "255", pixel10: "12", pixel2: "3", note: "ink" }
    expect(columnsOf([row, row])).toEqual({
      "data.format": "arrays",
      "data.input": "pixel*",
      "data.label": "label",
      "data.scale": 1 / 255
    })
    expect(columnsOf([{ x1: "0,5", x2: "1", kind: "a" }])).toBeUndefined()
    expect(columnsOf([{ pixels: "[[0, 1], [2, 255]]", digit: "7" }])).toMatchObject({ "data.input": "pixels" })
  })

  test("all columns of numbers but the label, of tables without texts", () => {
    const rows = Array.from({ length: 12 }, (_, i) => ({
      id: i,
      width: i / 7,
      length: (i * i) % 5,
      kind: "abc"[i % 3]
    }))
    expect(columnsOf(rows)).toMatchObject({ "data.input": ["width", "length"], "data.label": "kind" })
    expect(columnsOf(rows.map((row) => ({ ...row, note: `Seen at noon on day ${row.id}` })))).toBeUndefined()
  })
})

describe("files", () => {
  const w = workspace()
  const rows = Array.from({ length: 30 }, (_, i) => ({ text: `text ${i}`, other: i }))
  const first = (name: string, count = 3) =>
    Effect.runPromise(firstRows(w.path(name), count).pipe(Effect.provide(platform)))

  test("the first rows of JSON lines, CSV and gzip, with all their columns", async () => {
    w.write("rows.jsonl", jsonLines(rows))
    w.write("rows.csv", `text,other\n${rows.map(({ text, other }) => `${text},${other}`).join("\n")}\n`)
    writeFileSync(w.path("rows.jsonl.gz"), gzipSync(jsonLines(rows)))
    expect(await first("rows.jsonl")).toEqual(rows.slice(0, 3))
    expect(await first("rows.jsonl.gz", 2)).toEqual(rows.slice(0, 2))
    expect(await first("rows.csv")).toEqual(rows.slice(0, 3).map(({ text, other }) => ({ text, other: `${other}` })))
  })

  test("the first rows of a parquet file, no more than are asked for", async () => {
    const file = join(repository, "test/golden/parquet/chats-snappy.parquet")
    const looked = (count: number) => Effect.runPromise(firstRows(file, count).pipe(Effect.provide(platform)))
    const all = await looked(1000)
    expect(all.length).toBeGreaterThan(2)
    expect(await looked(2)).toEqual(all.slice(0, 2))
    expect(formatOf(all)).toMatchObject({ "data.format": "chat" })
    // and no more are decoded
    const opened = Effect.map(openRows(file, { first: 2 }), ({ file: { size } }) => size)
    const bytes = new TextEncoder().encode(jsonLines(all.slice(0, 2))).length
    expect(await Effect.runPromise(opened.pipe(Effect.scoped, Effect.provide(platform)))).toBe(bytes)
  })

  test("a row longer than what is read at a time", async () => {
    const long = [{ text: "x".repeat(3 << 20) }, { text: "b" }]
    w.write("long.jsonl", jsonLines(long))
    expect((await first("long.jsonl", 1)).map(({ text }) => (text as string).length)).toEqual([3 << 20])
  })

  test("rows that cannot be read are left out, unless there is no other", async () => {
    w.write("some.jsonl", `{"text": \n${jsonLines(rows)}`)
    expect(await first("some.jsonl", 3)).toEqual(rows.slice(0, 2))
    w.write("none.jsonl", "[1, 2]\nnot JSON\n")
    await expect(first("none.jsonl")).rejects.toThrow("none.jsonl:1: found a list, expected an object")
    w.write("blank.jsonl", "\n\n")
    await expect(first("blank.jsonl")).rejects.toThrow("blank.jsonl: the file has no rows")
  })

  test("a folder is what its files are", async () => {
    decoder(w, "llama")
    w.model("bert")
    w.write("holds/model.json", "{}")
    w.write("gguf/a.gguf", "")
    w.write("two/a.gguf", "")
    w.write("two/b.gguf", "")
    const found = async (model: string, columns: Columns = {}) => {
      const looked = { model: w.path(model), data: w.path("rows.jsonl"), columns, dialect: {} }
      const { learnables } = await Effect.runPromise(detect(kinds, looked).pipe(Effect.provide(platform)))
      const { model: section, data } = sectionsOf(learnables[0]!)
      return [(section as { source: string }).source.slice(w.directory.length + 1), data.format]
    }
    expect(await found("llama")).toEqual(["llama", "text"])
    expect(await found("bert", { text: "other", label: "text" })).toEqual(["bert", "classification"])
    // every row has another number
    expect(await found("bert", { label: "other" })).toEqual(["bert", "regression"])
    expect(await found("holds", { input: "other", label: "text" })).toEqual(["holds/model.json", "arrays"])
    expect(await found("gguf")).toEqual(["gguf/a.gguf", "text"])
    // two models: which is meant is not guessed
    await expect(found("two", { label: "other" })).rejects.toThrow("two: config.json: no such file")
  })
})
