/** Text files in a folder for each label are rows, in a folder of the system and in an archive alike; what is not a text is said with its file. */
import { describe, expect, test } from "bun:test"
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Dialect } from "../../../schemas/index.ts"
import { openImages } from "../../../src/data/images/index.ts"
import {
  DataDialect,
  type DataError,
  memoryFiles,
  openClassification,
  placeOfRows,
  readings,
  sampledRows
} from "../../../src/data/index.ts"
import type { Files } from "../../../src/files/index.ts"
import { platform } from "../../../src/platform.ts"
import { zipOf } from "../../zips.ts"
import { temporaryFiles } from "./files.ts"

const { folder } = temporaryFiles()
const put = (name: string, content: string | Uint8Array): string => {
  mkdirSync(dirname(join(folder, name)), { recursive: true })
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

type Needs = Files | Scope.Scope
const run = <A>(effect: Effect.Effect<A, DataError, Needs>): Promise<A> =>
  Effect.runPromise(Effect.scoped(effect).pipe(Effect.provide(platform)))
const failure = async (effect: Effect.Effect<unknown, DataError, Needs>): Promise<string> =>
  (
    await run(Effect.flip(effect as Effect.Effect<never, DataError, Needs>) as never as Effect.Effect<DataError>)
  ).message
    .replaceAll(folder, "")
    .replaceAll("\\", "/")

const section = (train: string) => ({ format: "classification" as const, train, text: "text", label: "label" })
const read = (train: string, dialect: Dialect = {}) =>
  Effect.gen(function* () {
    const { splits, labels } = yield* openClassification({ ...section(train), ...dialect } as never, 0)
    const rows = yield* splits.train.read(
      Array.from({ length: splits.train.rows }, (_, i) => splits.train.rows - 1 - i)
    )
    return { labels, rows: rows.toReversed() }
  })

/** By label and name. */
const letters: Readonly<Record<string, string | Uint8Array>> = {
  "sad/1.txt": "It rains.\n",
  "sad/deep/2.txt": "\uFEFFThe café\nis closed.",
  "happy/1.txt": "It is spring.\n\n",
  "happy/2.txt": Buffer.from("\uFEFFGrün", "utf16le")
}
const rows = [
  { text: "It is spring.", label: "happy" },
  { text: "Grün", label: "happy" },
  { text: "It rains.", label: "sad" },
  { text: "The café\nis closed.", label: "sad" }
]
for (const [name, content] of Object.entries(letters)) put(`letters/${name}`, content)
put("letters/.hidden/a.txt", "no")
const entries = (under = "") => Object.entries(letters).map(([name, bytes]) => ({ name: under + name, bytes }))
put("letters.zip", zipOf(entries()))
put("wrapped.zip", zipOf(entries("all my letters/")))
put("set.zip", zipOf([...entries("train/"), ...entries("test/")]))

describe.each(["letters", "letters.zip", "wrapped.zip", "set.zip/train"])("%s", (name) => {
  const place = join(folder, name)

  test("is rows of a text and its folder, read by position", async () => {
    const found = await run(read(place))
    expect(found.labels).toEqual(["happy", "sad"])
    expect(found.rows.map(({ text, label }) => ({ text, label }))).toEqual(rows)
    expect(found.rows[3]!.where).toEndWith("/sad/deep/2.txt")
  })

  test("has a reading, with the file of each row", async () => {
    const [reading, ...others] = await run(readings(place, {}))
    expect(others).toEqual([])
    expect(reading).toMatchObject({ content: "texts", dialect: {}, notes: [], rows })
    expect(reading!.rows.map(({ file }) => file)).toEqual(["happy/1.txt", "happy/2.txt", "sad/1.txt", "sad/deep/2.txt"])
    expect(await run(read(reading!.train))).toMatchObject({ rows })
  })

  test("is a table to whatever looks at rows", async () => {
    const { format, count, rows: found } = await run(sampledRows(place, 2))
    expect({ format, count }).toEqual({ format: "text files", count: 4 })
    expect(found).toMatchObject(rows.slice(0, 2))
  })
})

test("a folder in memory is one as well", async () => {
  const files = memoryFiles(Object.fromEntries(entries("letters/").map(({ name, bytes }) => [name, bytes])))
  const found = await Effect.runPromise(Effect.scoped(read("letters")).pipe(Effect.provide(files.layer)))
  expect(found.rows).toMatchObject(rows)
})

describe("what a text is not", () => {
  test("Windows-1252 unless it is named; a reading names it", async () => {
    put("old/a/1.txt", "plain")
    put("old/b/1.txt", Buffer.from("Caf\xe9", "latin1"))
    expect(await failure(read(join(folder, "old")))).toContain(
      '/old/b/1.txt: not valid UTF-8; as Windows-1252 it reads "Café": if that is right, set data.encoding to "latin1"'
    )
    const [reading] = await run(readings(join(folder, "old"), {}))
    expect(reading!.dialect).toEqual({ encoding: "latin1" })
    expect(reading!.notes.join("").replaceAll(folder, "")).toBe("Read as Windows-1252: /old/b/1.txt has “Café”.")
    const found = await run(read(join(folder, "old"), reading!.dialect))
    expect(found.rows.map(({ text }) => text)).toEqual(["plain", "Café"])
    expect(
      await run(Effect.provideService(sampledRows(join(folder, "old"), 9), DataDialect, reading!.dialect))
    ).toBeTruthy()
  })

  test("blank", async () => {
    put("blank/a/1.txt", "a")
    put("blank/b/1.txt", "  \n")
    expect(await failure(read(join(folder, "blank")))).toBe('/blank/b/1.txt: the text "text" is blank')
  })

  test("a link that leads out of the folder", async () => {
    put("secret.txt", "secret")
    put("links/a/1.txt", "a")
    symlinkSync(join(folder, "secret.txt"), join(folder, "links/a/2.txt"))
    expect(await failure(read(join(folder, "links")))).toBe(
      "/links/a/2.txt: this is a link that points outside of /links"
    )
  })

  test("a file of another name is left out with a note", async () => {
    put("mixed/a/1.txt", "a")
    put("mixed/a/1.doc", "a")
    const [reading] = await run(readings(join(folder, "mixed"), {}))
    expect(reading!.notes.join("").replaceAll(folder, "")).toBe(
      "/mixed: 1 file is left out, since no text file is called so (a/1.doc); text files end in .txt."
    )
  })
})

describe("places", () => {
  const place = async (name: string) => {
    const { train, validation, test: evaluated, content } = await run(placeOfRows(join(folder, name)))
    const own = [train, validation, evaluated].map((one) => one?.replaceAll(folder, "").replaceAll("\\", "/"))
    return [content, ...own]
  }

  test("of splits in folders, in archives and next to a file", async () => {
    for (const split of ["Train", "valid", "testing"]) put(`parted/${split}/a/1.txt`, "a")
    expect(await place("parted")).toEqual(["texts", "/parted/Train", "/parted/valid", "/parted/testing"])
    expect(await place("set.zip")).toEqual(["texts", "/set.zip/train", undefined, "/set.zip/test"])
    expect(await place("wrapped.zip")).toEqual(["texts", "/wrapped.zip/all my letters", undefined, undefined])
    for (const split of ["train", "test"]) put(`files/${split}.csv`, "text,label\na,b\n")
    const files = ["rows", "/files/train.csv", undefined, "/files/test.csv"]
    expect(await place("files")).toEqual(files)
    expect(await place("files/train.csv")).toEqual(files)
  })

  test("of tables in archives", async () => {
    const table = { name: "deep/rows.csv", bytes: "text,label\na,b\n" }
    put("table.zip", zipOf([table]))
    expect(await place("table.zip")).toEqual(["rows", "/table.zip/deep/rows.csv", undefined, undefined])
    for (const name of ["table.zip", "table.zip/deep", "table.zip/deep/rows.csv"]) {
      const { rows: found } = await run(sampledRows(join(folder, name), 9))
      expect(found).toEqual([{ text: "a", label: "b" }])
    }
    put("two.zip", zipOf([table, { name: "deep/more.csv", bytes: "text,label\na,b\n" }]))
    expect(await failure(sampledRows(join(folder, "two.zip"), 9))).toContain(
      "/two.zip/deep: the archive has several files of rows (more.csv, rows.csv); name one:"
    )
    expect(await failure(sampledRows(join(folder, "table.zip/none.csv"), 9))).toContain('has no "none.csv"')
  })
})

test("images in an archive are those of the folder", async () => {
  const shapes = join(import.meta.dir, "../../data/front-door/shapes")
  cpSync(shapes, join(folder, "shapes"), { recursive: true })
  const names = ["circle/01.png", "circle/02.png", "square/01.png"]
  const files = names.map((name) => ({ name: `in/${name}`, bytes: new Uint8Array(readFileSync(join(shapes, name))) }))
  put("shapes.zip", zipOf(files))
  const images = (train: string) =>
    Effect.gen(function* () {
      const { splits, images } = yield* openImages({ train, image: "image", label: "label" }, 0)
      const rows = yield* splits.train.read([0, 2])
      return { labels: splits.train.labels, count: images.images, list: splits.train.list, rows }
    })
  const packed = await run(images(join(folder, "shapes.zip")))
  expect(packed).toMatchObject({ labels: ["circle", "square"], count: 3 })
  expect(packed.rows.map(({ image }) => image)).toEqual([files[0]!.bytes, files[2]!.bytes])
  const plain = await run(images(join(folder, "shapes")))
  // by which a run knows its images again
  expect(plain.list).toEqual(expect.arrayContaining([...packed.list!]))
})
