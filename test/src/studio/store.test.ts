/** Files that are dropped on the studio's page, and a folder as a ZIP file. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import { platform } from "../../../src/platform.ts"
import { segmentsOf } from "../../../src/studio/server/requests.ts"
import { openStore } from "../../../src/studio/server/store.ts"
import { type ZippedFile, zipEnd, zipHeader, zipSize } from "../../../src/studio/server/zip.ts"

const folder = mkdtempSync(join(tmpdir(), "studio-store-"))
const before = process.cwd()
beforeAll(() => process.chdir(folder))
afterAll(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
})

const run = <A, E>(effect: Effect.Effect<A, E, FileSystem.FileSystem | Path.Path>) =>
  Effect.runPromise(effect.pipe(Effect.provide(platform)))

const store = openStore()
let drops = 0
const drop = async (files: Readonly<Record<string, string>>): Promise<string> => {
  drops += 1
  const id = `drop-${drops}-of-test`
  for (const [path, body] of Object.entries(files))
    await run(store.write(path, id, new Request("http://x/", { method: "PUT", body })))
  return run(store.finish(id))
}
const names = () => (readdirSync(folder, { recursive: true }) as Array<string>).sort()

describe("what is dropped", () => {
  test("gets its name, or one beside it; the same bytes are the same file", async () => {
    expect(await drop({ "reviews.csv": "a,b\n1,2\n" })).toBe("data/reviews.csv")
    expect(await drop({ "reviews.csv": "a,b\n1,3\n" })).toBe("data/reviews-2.csv")
    expect(await drop({ "reviews.csv": "a,b\n1,2\n" })).toBe("data/reviews.csv")
    expect(await drop({ "reviews.csv": "a,b\n1,3\n" })).toBe("data/reviews-2.csv")
    expect(readFileSync("data/reviews.csv", "utf8")).toBe("a,b\n1,2\n")
    expect(names()).toEqual(["data", "data/reviews-2.csv", "data/reviews.csv"])
  })

  test("keeps the tree of a folder", async () => {
    const photos = { "photos/cat/1.png": "1", "photos/dog/1.png": "2", "photos/dog/2.png": "3" }
    expect(await drop(photos)).toBe("data/photos")
    expect(await drop(photos)).toBe("data/photos")
    expect(await drop({ ...photos, "photos/dog/3.png": "4" })).toBe("data/photos-2")
    expect(readFileSync("data/photos/dog/2.png", "utf8")).toBe("3")
    // files without a folder get one
    expect(await drop({ "a.csv": "1", "b.csv": "2" })).toBe("data/files")
    expect(readdirSync("data/files").sort()).toEqual(["a.csv", "b.csv"])
  })

  test("leaves nothing where it breaks off, and what a studio of before left is cleared", async () => {
    const all = names()
    const body = new ReadableStream({
      start: (controller) => {
        controller.enqueue(new TextEncoder().encode("half"))
        controller.error(new Error("gone"))
      }
    })
    const half = new Request("http://x/", { method: "PUT", body, duplex: "half" } as RequestInit)
    await expect(run(store.write("half.csv", "drop-that-breaks", half))).rejects.toThrow("only partly uploaded")
    await expect(run(store.finish("drop-that-breaks"))).rejects.toThrow("the upload is incomplete")
    expect(names()).toEqual(all)
    await run(store.write("half.csv", "drop-of-before", new Request("http://x/", { method: "PUT", body: "x" })))
    expect(existsSync("data/.drop-drop-of-before")).toBe(true)
    await run(openStore().clear)
    expect(names()).toEqual(all)
  })
})

test("a path is names, none of which leads elsewhere", () => {
  expect(segmentsOf("runs/reviews%201/größe.csv")).toEqual(["runs", "reviews 1", "größe.csv"])
  for (const path of [
    "",
    "/a",
    "a//b",
    "a/",
    "a/../b",
    "a/%2e%2e/b",
    "./a",
    "a%2fb",
    "a%5cb",
    "a%0ab",
    "%zz",
    "%ff",
    "a".repeat(256)
  ])
    expect([path, segmentsOf(path)]).toEqual([path, undefined])
})

const crc = (bytes: Uint8Array) => Bun.hash.crc32(bytes)

test("a ZIP file has its files as another program reads them", () => {
  const contents: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
    "adapter/weights.bin": Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31) % 256),
    "adapter/größe ü.txt": new TextEncoder().encode("ü"),
    "adapter/empty": new Uint8Array()
  }
  const files = Object.entries(contents).map(
    ([name, bytes]): ZippedFile => ({ name, bytes: bytes.length, sum: crc(bytes) })
  )
  const whole = Buffer.concat([...files.flatMap((file) => [zipHeader(file), contents[file.name]!]), zipEnd(files)])
  expect(whole.length).toBe(zipSize(files))
  writeFileSync(join(folder, "adapter.zip"), whole)
  const read = `import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(json.dumps({i.filename: list(z.read(i)) for i in z.infolist()}))`
  const { stdout, error } = spawnSync("python3", ["-c", read, join(folder, "adapter.zip")], { encoding: "utf8" })
  if (error !== undefined) return console.warn("python3 is not installed: the ZIP file was not read by another program")
  const found: Readonly<Record<string, ReadonlyArray<number>>> = JSON.parse(stdout)
  expect(Object.fromEntries(Object.entries(found).map(([name, bytes]) => [name, Uint8Array.from(bytes)]))).toEqual(
    contents
  )
})
