/** How a place of rows can be read: what is open about it is tried, what fails is said, and nothing is left out. */
import { describe, expect, test } from "bun:test"
import { gzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import type { Dialect } from "../../../schemas/index.ts"
import { type DataError, readings } from "../../../src/data/index.ts"
import { platform } from "../../../src/platform.ts"
import { failureOf, temporaryFiles } from "./files.ts"

const { fileOf } = temporaryFiles()
const latin1 = (text: string): Buffer => Buffer.from(text, "latin1")

const readingsOf = (place: string, dialect: Dialect = {}) => readings(place, dialect).pipe(Effect.provide(platform))
const read = (place: string, dialect?: Dialect) => Effect.runPromise(readingsOf(place, dialect))
const failing = (place: string) => failureOf(readingsOf(place) as Effect.Effect<unknown, DataError>)

describe("the encoding", () => {
  test("of UTF-8 needs no word, with a mark and without, nor UTF-16 with one", async () => {
    for (const content of ["text,label\nCafé,a\n", "\uFEFFtext,label\nCafé,a\n"])
      expect(await read(fileOf("csv", content))).toMatchObject([{ dialect: {}, notes: [] }])
    const utf16 = Buffer.from("\uFEFFtext,label\nCafé,a\n", "utf16le")
    expect(await read(fileOf("csv", utf16))).toMatchObject([{ dialect: {}, rows: [{ text: "Café", label: "a" }] }])
  })

  test.each(["Café,a", "grün,a", "a,é", "Straße: ö,ü"])("is Windows-1252 where it is not UTF-8: %s", async (row) => {
    const content = latin1(`text,label\nplain,b\n${row}\nplain,b\n${row}`)
    for (const file of [fileOf("csv", content), fileOf("csv.gz", gzipSync(content))]) {
      const [reading, ...others] = await read(file)
      expect(others).toEqual([])
      expect(reading!.dialect).toEqual({ encoding: "latin1" })
      expect(reading!.notes).toEqual([expect.stringMatching(/^Read as Windows-1252: line 3 has “.*[éüöß].*”\.$/)])
      expect(reading!.rows[1]).toEqual({ text: row.split(",")[0]!, label: row.split(",")[1]! })
    }
  })

  test("of later rows counts as well", async () => {
    const file = fileOf("csv", latin1(`text,label\n${"plain,a\n".repeat(300_000)}Café,b\n`))
    expect((await read(file))[0]!.notes).toEqual(["Read as Windows-1252: line 300002 has “Café”."])
  })

  test("of UTF-8 with a fault stays UTF-8, and the fault is an error", async () => {
    const file = fileOf("csv", Buffer.concat([Buffer.from("text,label\nüber,x\nöl,y\n"), latin1("Café,x\n")]))
    expect(await failing(file)).toContain('rows.csv:4: not valid UTF-8; as Windows-1252 it reads "Café"')
  })
})

describe("the separator", () => {
  test("of which there may be two gives two readings, each with what a plan says of it", async () => {
    const found = await read(fileOf("csv", "a,b;c\n1,2;3\n4,5;6\n"))
    expect(found.map(({ dialect }) => dialect)).toEqual([{ separator: "comma" }, { separator: "semicolon" }])
    expect(found.map(({ rows }) => rows[0])).toEqual([
      { a: "1", "b;c": "2;3" },
      { "a,b": "1,2", c: "3" }
    ])
  })

  test("that is named is taken", async () => {
    const found = await read(fileOf("csv", "a,b;c\n1,2;3\n4,5;6\n"), { separator: "semicolon" })
    expect(found).toMatchObject([{ dialect: { separator: "semicolon" }, rows: [{ "a,b": "1,2", c: "3" }, {}] }])
  })
})

test("rows that cannot be read are errors, all of them", async () => {
  expect(await failing(fileOf("jsonl", '{"text":"a"}\nno\n{"text":"b"}\n[1]\n'))).toBe(
    [
      "rows.jsonl: 2 problems:",
      "  rows.jsonl:2: not JSON; write the row as one object on its line, with double quotes and no comma after it: no",
      "  rows.jsonl:4: found a list, expected an object"
    ].join("\n")
  )
  expect(await failing(fileOf("csv", "text,label\n"))).toBe("rows.csv: the file has no rows; at least one is needed")
})

test("at most 50 rows are looked at", async () => {
  const [reading] = await read(fileOf("json", JSON.stringify(Array.from({ length: 80 }, (_, i) => ({ i })))))
  expect(reading!.rows).toHaveLength(50)
  expect(reading).toMatchObject({ content: "rows", dialect: {} })
})
