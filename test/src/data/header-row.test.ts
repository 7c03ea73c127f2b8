/** Tables without a header row are recognised by rows that look like their first line; a header is never taken for a row. */
import { describe, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { includedModels } from "../../../src/bin/embedded.ts"
import { kinds } from "../../../src/kinds/index.ts"
import { platform } from "../../../src/platform.ts"
import { detect } from "../../../src/suggest/index.ts"

const frontDoor = join(import.meta.dirname, "../../data/front-door")
const folder = mkdtempSync(join(tmpdir(), "header-row-"))
const models = Object.values(includedModels).map(({ source }) => source)

const messageOf = (data: string, columns = {}): Promise<string> =>
  Effect.runPromise(
    detect(kinds, { models, data, columns, dialect: {} }).pipe(
      Effect.map(() => "detected"),
      Effect.catch((error) => Effect.succeed(error.message)),
      Effect.provide(platform)
    )
  )

const fileOf = (name: string, text: string | Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** A file of the front door without its first line. */
const headless = (name: string): string => {
  const bytes = readFileSync(join(frontDoor, name))
  return fileOf(name, bytes.subarray(bytes.indexOf(10) + 1))
}

const ADD =
  /the first line \(.*\) is read as column names, but it looks like the rows below it; add a line of column names above it/

describe("without its header row", () => {
  const files = ["reviews.csv", "stars.csv", "wines.csv", "iris.csv", "complaints.csv", "critiques.tsv", "kritiken.csv"]
  test.each([...files, "faq.csv"])("%s is told what to add", async (name) => {
    expect(await messageOf(headless(name))).toMatch(ADD)
  })

  test("0/1 columns name a column twice", async () => {
    expect(await messageOf(headless("comments.csv"))).toContain(
      "the first line seems to be a row; add a line of column names above it"
    )
  })

  test("a user who names a column has said that there is a header", async () => {
    const path = headless("reviews.csv")
    const [first] = readFileSync(path, "utf8").split("\n")
    const label = first!.split(",").at(-1)!.trim()
    expect(await messageOf(path, { label })).not.toMatch(ADD)
  })
})

const rows = (line: (i: number) => string): string => Array.from({ length: 12 }, (_, i) => `${line(i)}\n`).join("")
const text = (i: number) => `This is the answer number ${i} of someone who was asked.`

describe("a header is not taken for a row", () => {
  const tables = readdirSync(frontDoor).filter((name) => /\.[ct]sv(\.gz)?$/.test(name))

  test.each(tables)("%s", async (name) => {
    expect(await messageOf(join(frontDoor, name))).not.toContain("first line")
  })

  test.each([
    [
      "the questions of a survey",
      `What did you like about the course?,Would you come again?\n${rows((i) => `${text(i)},${i % 2 ? "yes" : "no"}`)}`
    ],
    ["numbered columns", `0,1,2\n${rows((i) => `${i % 3},${(i * 7) % 4},${i % 2}`)}`],
    ["years", `2019,2020,2021\n${rows((i) => `${i},${2 * i},${i / 2}`)}`],
    ["a column called as one of its values", `message,spam\n${rows((i) => `${text(i)},${i % 2 ? "spam" : "ham"}`)}`],
    ["a header that is repeated", `text,label\n${rows((i) => (i % 4 === 0 ? "text,label" : `${text(i)},${i % 2}`))}`]
  ])("%s", async (name, table) => {
    expect(await messageOf(fileOf(`${name.replaceAll(" ", "-")}.csv`, table))).not.toContain("first line")
  })
})
