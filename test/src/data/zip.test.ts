/** ZIP archives: what is sound is read, what lies or leads elsewhere is refused in one sentence. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { setLimits } from "../../../src/boundary/index.ts"
import { fileOfBytes } from "../../../src/data/file.ts"
import { openZip } from "../../../src/data/zip.ts"
import { type Zipped, zipOf } from "../../zips.ts"

const opened = (bytes: Uint8Array) => openZip(fileOfBytes("rows.zip", bytes))
const contents = (bytes: Uint8Array) =>
  Effect.runPromise(
    Effect.gen(function* () {
      const zip = yield* opened(bytes)
      const all: Record<string, string> = {}
      for (const name of zip.entries.keys()) all[name] = new TextDecoder().decode(yield* zip.read(name))
      return all
    })
  )
const failure = async (bytes: Uint8Array): Promise<string> =>
  (
    await Effect.runPromise(
      Effect.flip(Effect.flatMap(opened(bytes), (zip) => Effect.forEach([...zip.entries.keys()], zip.read)))
    )
  ).message

const long = "a line of a long text\n".repeat(200_000)
const files: ReadonlyArray<Zipped> = [
  { name: "a.txt", bytes: "one" },
  { name: "folder/ä b.txt", bytes: "two", isStored: true },
  { name: "folder/long.txt", bytes: long },
  { name: "empty.txt", bytes: "" }
]
const expected = Object.fromEntries(files.map(({ name, bytes }) => [name, bytes]))

describe("what is in an archive", () => {
  test("stored, deflated, empty, and longer than a stretch", async () => {
    expect(await contents(zipOf(files))).toEqual(expected as Record<string, string>)
  })

  test("with ZIP64's numbers", async () => {
    const large = files.map((file) => ({ ...file, isLarge: true }))
    expect(await contents(zipOf(large, true))).toEqual(expected as Record<string, string>)
  })

  test("with a comment after it", async () => {
    const archive = zipOf(files.slice(0, 1))
    const commented = new Uint8Array([...archive, ...new TextEncoder().encode("a comment")])
    expect(await contents(commented)).toEqual({ "a.txt": "one" })
  })

  test("without folders, hidden files and what a Mac adds", async () => {
    const more = [
      { name: "folder/", bytes: "", mode: 0o040755 },
      { name: "__MACOSX/folder/._a.txt", bytes: "x" },
      { name: "folder/.DS_Store", bytes: "x" },
      { name: "windows\\b.txt", bytes: "x" }
    ]
    expect(Object.keys(await contents(zipOf([...files, ...more])))).toEqual([...Object.keys(expected), "windows/b.txt"])
  })

  test("as Python packs it", async () => {
    const names = Object.keys(await contents(readFileSync(join(import.meta.dir, "../../data/front-door/commands.zip"))))
    expect(names).toHaveLength(21)
    expect(names[0]).toBe("train/alarm/0.txt")
  })
})

describe("what is refused", () => {
  const one = { name: "a.txt", bytes: "one" }
  const cases: Readonly<Record<string, readonly [archive: Uint8Array, message: string]>> = {
    "no archive": [
      new TextEncoder().encode("text,label\n"),
      "rows.zip: this is not a ZIP archive, or its end is missing"
    ],
    "an archive that was cut off": [zipOf(files).subarray(0, -30), "rows.zip: this is not a ZIP archive"],
    "a name that leads out": [
      zipOf([{ ...one, name: "a/../../b" }]),
      'rows.zip: the entry "a/../../b" points outside of the archive'
    ],
    "a name from the root": [
      zipOf([{ ...one, name: "/etc/passwd" }]),
      'rows.zip: the entry "/etc/passwd" points outside'
    ],
    "a name of a drive": [zipOf([{ ...one, name: "C:\\x" }]), 'rows.zip: the entry "C:/x" points outside'],
    "a folder without a name, which would be in itself": [
      zipOf([{ ...one, name: "a//b.txt" }]),
      'rows.zip: the entry "a//b.txt" is not a name'
    ],
    "folders without end": [zipOf([{ ...one, name: `${"a/".repeat(200)}b` }]), "is more than 100 folders deep"],
    "a link": [
      zipOf([{ ...one, mode: 0o120777 }]),
      'rows.zip: the entry "a.txt" is a link, and links are not followed'
    ],
    "a device": [zipOf([{ ...one, mode: 0o060666 }]), 'rows.zip: the entry "a.txt" is not a regular file'],
    "an encrypted entry": [zipOf([{ ...one, flags: 1 }]), 'rows.zip: the entry "a.txt" is encrypted'],
    "another method": [zipOf([{ ...one, method: 14 }]), 'rows.zip: the entry "a.txt" is packed by method 14'],
    "two of one name": [zipOf([one, one]), 'rows.zip: the archive is damaged: two entries are called "a.txt"'],
    "entries that share bytes": [
      zipOf([one, { name: "b.txt", bytes: "one", says: { offset: 0 } }]),
      "rows.zip: the archive is damaged: its entries overlap"
    ],
    "an entry in the directory": [
      zipOf([{ ...one, says: { offset: 30 } }]),
      "rows.zip: the archive is damaged: its entries overlap"
    ],
    "a size that is too large": [
      zipOf([{ ...one, says: { size: 4 } }]),
      "rows.zip/a.txt: does not match the archive's directory"
    ],
    "a size that is too small": [
      zipOf([{ ...one, says: { size: 2 } }]),
      "rows.zip/a.txt: does not match the archive's directory"
    ],
    "another sum": [zipOf([{ ...one, says: { sum: 1 } }]), "rows.zip/a.txt: does not match the archive's directory"],
    "bytes that are not deflated": [
      zipOf([{ ...one, isStored: true, method: 8, says: { packed: 3, size: 3 } }]),
      "rows.zip/a.txt: cannot be unpacked"
    ],
    "two sizes of what is stored": [zipOf([{ ...one, isStored: true, says: { size: 2 } }]), "has two sizes"]
  }
  test.each(Object.entries(cases))("%s", async (_, [archive, message]) => {
    expect(await failure(archive)).toContain(message)
  })

  test("more than the archive is likely to hold, before anything is unpacked", async () => {
    const zeros = new Uint8Array(70_000_000)
    expect(await failure(zipOf([{ name: "a.txt", bytes: zeros }]))).toStartWith(
      "rows.zip: its contents are larger than the file by more than 100 times (limit unpacked-ratio"
    )
  })

  test("more entries than a folder may have", async () => {
    setLimits({ "image-files": 3 })
    try {
      expect(await failure(zipOf(files))).toStartWith("rows.zip: the archive has more than 3 entries")
    } finally {
      setLimits({ "image-files": 2_000_000 })
    }
  })
})
