/** Rows as the studio shows them, over files in memory. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { decodedImage, encodedPng } from "../../../src/images/index.ts"
import { asking } from "./engine.ts"

const golden = join(import.meta.dir, "..", "..", "golden")

const reviews = [
  "review;stars;score",
  '"slow; and long";bad;1,5',
  '"a joy";good;4',
  ";;",
  '"so ""so""";good;3',
  '"a quote that is closed "too early";good;2'
].join("\n")

const png = (grey: number, width = 4, height = 3) =>
  encodedPng({ width, height, data: new Uint8Array(width * height * 3).fill(grey) })

const binary = Uint8Array.from({ length: 3_000 }, (_, at) => (at * 37) % 251)

const { ask, refusal } = asking({
  "reviews.csv": reviews,
  "films/train.csv": "text,label\na,b\n",
  "films/dev.csv": "text,label\nc,d\n",
  "films/test.jsonl": '{"text": "e", "label": "f"}\n',
  "several/a.csv": "text,label\na,b\n",
  "several/b.csv": "text,label\na,b\n",
  "one.csv": "text\nhello\n",
  "wide.csv": `${Array.from({ length: 200 }, (_, at) => `column ${at}`).join(",")}\n${Array.from({ length: 200 }, () => "x".repeat(5_000)).join(",")}\n`,
  "long.jsonl": `{"text": "short"}\n{"text": "${"x".repeat(6e6)}"}\n{"text": "after"}\n`,
  "only-long.csv": `text,label\n${"x".repeat(6e6)},a\n`,
  "empty.csv": "",
  "blank.csv": "text,label\n\n\n",
  "picture.csv": await png(7),
  "dispatches.zip": readFileSync(join(import.meta.dir, "..", "..", "data", "front-door", "dispatches.zip")),
  "binary.csv": binary,
  "table.xlsx": binary,
  "latin.csv": new Uint8Array([
    ...new TextEncoder().encode("text,label\ncaf"),
    0xe9,
    ...new TextEncoder().encode(",a\n")
  ]),
  "chats.parquet": readFileSync(join(golden, "parquet", "chats-snappy.parquet")),
  "pictures/cat/1.png": await png(10),
  "pictures/cat/2.png": await png(20, 400, 100),
  "pictures/dog/1.png": await png(30),
  "pictures/dog/notes.txt": "not a picture",
  "broken/cat/1.png": "no picture",
  "broken/dog/1.png": await png(30),
  "splits/train/cat/1.png": await png(10),
  "splits/train/dog/1.png": await png(10),
  "splits/val/cat/1.png": await png(10),
  "listed.csv": "file,label\npictures/cat/1.png,cat\ngone.png,dog\n"
})

describe("a table", () => {
  test("is shown with its columns' types and what was found", async () => {
    const rows = await ask("rows", { source: "reviews.csv" })
    expect(rows).toMatchObject({ source: "reviews.csv", format: "CSV", count: 5 })
    expect(rows.columns).toEqual([
      { name: "review", type: "text", distinct: 3 },
      { name: "stars", type: "text", distinct: 2 },
      { name: "score", type: "number", distinct: 3 }
    ])
    expect(rows.rows[0]).toEqual([{ text: "slow; and long" }, { text: "bad" }, { text: "1,5" }])
    expect(rows.rows).toHaveLength(4)
    expect(rows.notes).toEqual([
      "Columns are separated by semicolons.",
      "1 of the first 5 rows is empty.",
      expect.stringMatching(/^1 of the first 5 rows cannot be read: reviews\.csv:6: text after a closing quote/)
    ])
  })

  test("of many columns and long texts is bounded, and names every column", async () => {
    const rows = await ask("rows", { source: "wide.csv" })
    expect(rows.columns).toHaveLength(200)
    expect(rows.rows[0]).toHaveLength(50)
    expect(JSON.stringify(rows).length).toBeLessThan(50_000)
  })

  test("in Parquet has its rows and their number", async () => {
    const rows = await ask("rows", { source: "chats.parquet" })
    expect(rows.format).toBe("Parquet")
    expect(rows.count).toBe(rows.rows.length)
    expect(rows.columns.map(({ type }) => type)).toContain("conversation")
  })

  test("of one column says so", async () => {
    expect((await ask("rows", { source: "one.csv" })).notes).toEqual([
      expect.stringContaining('Only one column, "text"')
    ])
  })

  test("is looked at up to a line that is too long", async () => {
    const { rows, count, notes } = await ask("rows", { source: "long.jsonl" })
    expect(rows).toEqual([[{ text: "short" }]])
    expect(count).toBe(null)
    expect(notes.join()).toContain("long.jsonl:2: the row is longer than 4,194,304 bytes")
  })
})

describe("a folder", () => {
  test("and a file that is called train have the other splits beside them", async () => {
    const expected = { source: "films/train.csv", validation: "films/dev.csv" }
    expect(await ask("rows", { source: "films/train.csv" })).toMatchObject(expected)
    expect(await ask("rows", { source: "films" })).toMatchObject({ ...expected, test: "films/test.jsonl" })
  })

  test("of several files is not guessed at", async () => {
    expect(await refusal("rows", { source: "several" })).toContain("2 files of rows (a.csv, b.csv)")
  })

  test("of images shows small pictures of every label", async () => {
    const { rows, columns, count, notes } = await ask("rows", { source: "pictures" })
    expect(count).toBe(3)
    expect(columns.map(({ name, distinct }) => [name, distinct])).toEqual([
      ["image", 3],
      ["label", 2]
    ])
    expect(rows.map(([, label]) => label)).toEqual([{ text: "cat" }, { text: "cat" }, { text: "dog" }])
    expect(notes.join(" ")).toContain("cat, dog")
    expect(notes.join(" ")).toContain("notes.txt")
    const wide = rows[1]![0]!
    if (!("picture" in wide)) throw new Error("no picture")
    const bytes = Uint8Array.fromBase64(wide.picture.replace("data:image/png;base64,", ""))
    const { width, height, data } = await Effect.runPromise(decodedImage(bytes, "it"))
    expect([width, height, data[0]]).toEqual([96, 24, 20])
  })

  test("of splits of images is their training folder", async () => {
    expect(await ask("rows", { source: "splits" })).toMatchObject({
      source: "splits/train",
      validation: "splits/val",
      count: 2
    })
  })

  test("names an image that cannot be read", async () => {
    const { rows } = await ask("rows", { source: "broken" })
    expect(rows.map(([cell]) => (cell !== undefined && "picture" in cell ? "picture" : cell))).toEqual([
      { text: "cat/1.png" },
      "picture"
    ])
  })
})

test("paths of images in rows are shown as pictures", async () => {
  const { rows, columns } = await ask("rows", { source: "listed.csv" })
  expect(columns[0]!.type).toBe("image")
  expect(rows[0]![0]).toMatchObject({ alt: "pictures/cat/1.png" })
  expect(rows[1]![0]).toEqual({ text: "gone.png" })
})

describe("what is no table is told in a sentence:", () => {
  const cases: ReadonlyArray<readonly [source: string, says: RegExp]> = [
    ["empty.csv", /^empty\.csv: the file is empty; at least one row is needed$/],
    ["blank.csv", /^blank\.csv: the file has no rows/],
    ["gone.csv", /^gone\.csv: no such file/],
    ["picture.csv", /starts like a PNG image$/],
    ["binary.csv", /contains binary data/],
    ["table.xlsx", /this is a spreadsheet: save the sheet as CSV/],
    ["only-long.csv", /the row is longer than/]
  ]
  for (const [source, says] of cases) {
    test(source, async () => expect(await refusal("rows", { source })).toMatch(says))
  }
})

test("rows in Windows-1252 are read, also where no line is UTF-8 and no encoding was chosen", async () => {
  for (const chosen of [{}, { encoding: "latin1" } as const]) {
    const { rows } = await ask("rows", { source: "latin.csv", ...chosen })
    expect(rows).toEqual([[{ text: "café" }, { text: "a" }]])
  }
  expect(await refusal("rows", { source: "latin.csv", encoding: "utf-8" })).toMatch(/as Windows-1252 it reads "café"/)
})

test("a table in an archive is read there", async () => {
  const { source, count, columns } = await ask("rows", { source: "dispatches.zip" })
  expect(source).toBe("dispatches.zip/dispatches.csv")
  expect(count).toBeGreaterThan(10)
  expect(columns.map(({ name }) => name)).toEqual(["dispatch", "section"])
})
