/** Files in memory: what is read from them and written to them is what a disk would have given and got. */
import { expect, test } from "bun:test"
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import { limits, setLimits } from "../../../src/boundary/index.ts"
import { openClassification } from "../../../src/data/index.ts"
import { fetchFiles, memoryFiles } from "../../../src/data/memory-files.ts"
import type { Sources } from "../../../src/hub/index.ts"
import { describe } from "../../../src/models/index.ts"
import { readPlan } from "../../../src/plan/index.ts"
import { platform } from "../../../src/platform.ts"
import { readTensors, writeSafetensors } from "../../../src/safetensors/index.ts"
import { goldenPath } from "../training/tiny-bert.ts"

const rows = [..."abcdef"].map((text, i) => JSON.stringify({ text: `${text} – ü`, label: `l${i % 2}` }))
const csv = `text,label\n"a, ""b""\nc",l0\nd,l1\n`
const utf16 = Buffer.from("\uFEFFtext\tlabel\r\nschön\tl0\r\n„d“\tl1\r\n", "utf16le")
const contents = {
  "plans/p.json": "{}",
  "data/rows.jsonl": rows.join("\n"),
  "data/rows.csv": csv,
  "data/rows.tsv": utf16
}

/** The same files on disk and in memory, and an effect's result over each. */
const onBoth = async <A, E>(
  program: (root: string) => Effect.Effect<A, E, Sources>
): Promise<readonly [Result.Result<A, E>, Result.Result<A, E>]> => {
  const root = mkdtempSync(join(tmpdir(), "files-"))
  const memory = memoryFiles({
    ...contents,
    "model/config.json": readFileSync(goldenPath("models/bert/config.json")),
    "model/model.safetensors": readFileSync(goldenPath("models/bert/model.safetensors"))
  })
  for (const folder of ["plans", "data", "model"])
    cpSync(goldenPath("models/bert"), join(root, folder), { recursive: true })
  for (const [path, text] of Object.entries(contents)) writeFileSync(join(root, path), text)
  const onDisk = await Effect.runPromise(Effect.result(program(root)).pipe(Effect.provide(platform)))
  const inMemory = await Effect.runPromise(Effect.result(program("/")).pipe(Effect.provide(memory.layer)))
  rmSync(root, { recursive: true })
  return [onDisk, inMemory]
}

/** The same value, or the same failure in the same words but for the folder. */
const expectSame = <A, E extends { readonly message: string }>([disk, memory]: readonly [
  Result.Result<A, E>,
  Result.Result<A, E>
]) => {
  const said = (result: Result.Result<A, E>) =>
    Result.isSuccess(result) ? result.success : result.failure.message.replace(/\S*\/files-\w+\//g, "/")
  expect(said(memory)).toEqual(said(disk))
}

test("rows of JSON Lines, CSV and UTF-16 between tabs, in any order", async () => {
  for (const file of ["rows.jsonl", "rows.csv", "rows.tsv"]) {
    const [disk, memory] = await onBoth((root) =>
      Effect.gen(function* () {
        const section = { format: "classification", text: "text", label: "label", maxLength: 8, bucketPool: 8 } as const
        const { splits } = yield* openClassification({ ...section, train: join(root, "data", file) }, 0)
        return (yield* splits.train.read([1, 0, 1])).map(({ text, label }) => ({ text, label }))
      }).pipe(Effect.scoped)
    )
    expect(Result.getOrThrow(memory)).toEqual(Result.getOrThrow(disk))
    expect(Result.getOrThrow(memory)).toHaveLength(3)
  }
})

test("a model's description", async () => {
  const [disk, memory] = await onBoth((root) =>
    Effect.map(
      describe(join(root, "model"), { pooling: "mean", head: "new", labels: ["a", "b"] }),
      // functions are equal to themselves alone
      ({ folder: _, exported: { nameOf, tiedTo, ...exported }, ...rest }) => ({ ...rest, exported })
    )
  )
  expect(Result.getOrThrow(memory)).toEqual(Result.getOrThrow(disk))
})

test("what is not there, or not what it should be, in the same words", async () => {
  expectSame(await onBoth((root) => readPlan(join(root, "plans", "q.json"))))
  expectSame(await onBoth((root) => readPlan(join(root, "plans"))))
  expectSame(await onBoth((root) => readTensors(join(root, "model", "config.json"))))
  expectSame(await onBoth((root) => readTensors(join(root, "nothing"))))
})

test("tensors written are the bytes on disk, and can be read again", async () => {
  const tensors = { b: { shape: [2], data: Float32Array.of(1, 2) }, a: { shape: [], data: Float32Array.of(3) } }
  const [disk, memory] = await onBoth((root) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = join(root, "model", "new.safetensors")
      yield* writeSafetensors(file, { old: { shape: [9], data: new Float32Array(9) } })
      yield* writeSafetensors(file, tensors)
      const [bytes, read] = [yield* fs.readFile(file), yield* readTensors(file)]
      return {
        bytes: [...bytes],
        read,
        names: (yield* fs.readDirectory(join(root, "model"))).filter((n) => /^new/.test(n))
      }
    })
  )
  expect(Result.getOrThrow(memory)).toEqual(Result.getOrThrow(disk))
  expect(Result.getOrThrow(memory).names).toEqual(["new.safetensors"])
})

test("paths start at the root, and nothing leads out of it", async () => {
  const files = memoryFiles({ "a/b.txt": "x", "../c.txt": "y" })
  expect(files.list()).toEqual(["/a/b.txt", "/c.txt"])
  expect(files.read("./a/../a/b.txt")).toEqual(new TextEncoder().encode("x"))
  const path = await Effect.runPromise(Effect.service(Path.Path).pipe(Effect.provide(files.layer)))
  expect([path.resolve("a"), path.resolve("/a", "../.."), path.relative("a", "c.txt")]).toEqual(["/a", "/", "../c.txt"])
})

test("a file is the program's own: what it was made of may change", () => {
  const bytes = Uint8Array.of(1, 2, 3)
  const files = memoryFiles({ f: bytes })
  bytes[0] = 9
  expect(files.read("f")).toEqual(Uint8Array.of(1, 2, 3))
})

test("fetched files come under their names; one that the server lacks is named", async () => {
  const server = Bun.serve({
    port: 0,
    fetch: ({ url }) =>
      url.endsWith("/base/x/y.bin") ? new Response(Uint8Array.of(7)) : new Response("", { status: 404 })
  })
  const base = new URL("base/", server.url)
  expect(await Effect.runPromise(fetchFiles(base, ["x/y.bin"]))).toEqual({ "x/y.bin": Uint8Array.of(7) })
  const { message } = await Effect.runPromise(Effect.flip(fetchFiles(base, ["x/y.bin", "z"])))
  expect(message).toBe(`${base.href}z: the server responded with 404`)
  await server.stop(true)
})

test("a file without an end is not read on past the limit", async () => {
  let cancelled = false
  const endless = () =>
    new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
      cancel: () => {
        cancelled = true
      }
    })
  const server = Bun.serve({ port: 0, fetch: () => new Response(endless()) })
  setLimits({ "fetched-bytes": 1_000_000 })
  const base = new URL("http://me:secret@host/?token=secret")
  base.host = server.url.host
  const { message } = await Effect.runPromise(Effect.flip(fetchFiles(base, ["x"])))
  expect(message).toBe(
    `http://***@${server.url.host}/x: the response has more than 1,000,000 bytes (limit fetched-bytes; TFJS_LORA_PRO_LIMITS=fetched-bytes=N raises it)`
  )
  while (!cancelled) await Bun.sleep(1)
  setLimits({ "fetched-bytes": limits["fetched-bytes"].default })
  await server.stop(true)
})
