/**
 * The page's file system, over a folder in memory (studio-page.browser.ts has it over a browser's own store): what run folders ask of one, with
 * the failures by their names; and the files that come with the page.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { platformReason } from "../../../src/files/index.ts"
import { MemoryFolder } from "../../../src/studio/page/worker/memory-folder.ts"
import { withStaticFiles } from "../../../src/studio/page/worker/static-files.ts"
import { storedFiles } from "../../../src/studio/page/worker/stored-files.ts"

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(effect)
/** The failure's kind, and its words. */
const failure = async (effect: Effect.Effect<unknown, PlatformError>) => {
  const error = await run(Effect.flip(effect))
  return [error.reason._tag, platformReason(error)]
}

const texts = (fs: FileSystem.FileSystem) => ({
  write: (path: string, text: string, flag?: FileSystem.OpenFlag) =>
    run(fs.writeFileString(path, text, flag === undefined ? {} : { flag })),
  read: (path: string) => run(fs.readFileString(path))
})

describe("stored files", () => {
  test("are made, replaced, added to and removed; a file that must be new is", async () => {
    const fs = storedFiles(new MemoryFolder())
    const { write, read } = texts(fs)
    await run(fs.makeDirectory("runs/a", { recursive: true }))
    await write("runs/a/plan.json", "a long plan")
    await write("/runs/./a/../a/plan.json", "short")
    expect(await read("runs/a/plan.json")).toBe("short")
    for (const line of ["one\n", "two\n"]) await write("runs/a/metrics.jsonl", line, "a")
    expect(await read("runs/a/metrics.jsonl")).toBe("one\ntwo\n")
    expect(await failure(fs.writeFileString("runs/a/plan.json", "x", { flag: "wx" }))).toEqual([
      "AlreadyExists",
      "it exists already"
    ])
    expect(await run(fs.readDirectory("runs/a"))).toEqual(["metrics.jsonl", "plan.json"])
    expect(await run(fs.readDirectory("", { recursive: true }))).toEqual([
      "runs",
      "runs/a",
      "runs/a/metrics.jsonl",
      "runs/a/plan.json"
    ])
    await run(fs.remove("runs/a/plan.json"))
    expect(await run(fs.exists("runs/a/plan.json"))).toBe(false)
    expect(await failure(fs.remove("runs/a/plan.json"))).toEqual(["NotFound", "no such file or folder"])
    await run(fs.remove("runs/a/plan.json", { force: true }))
    await run(fs.remove("nothing/at/all", { force: true }))
    await run(Effect.flip(fs.remove("runs")))
    await run(fs.remove("runs", { recursive: true }))
    expect(await run(fs.readDirectory("/"))).toEqual([])
  })

  test("a folder that is there is not made again, but with everything above it", async () => {
    const fs = storedFiles(new MemoryFolder())
    await run(fs.makeDirectory("runs"))
    expect(await failure(fs.makeDirectory("runs"))).toEqual(["AlreadyExists", "it exists already"])
    expect(await failure(fs.makeDirectory("other/one"))).toEqual(["NotFound", "no such file or folder"])
    await run(fs.makeDirectory("runs/one", { recursive: true }))
    await texts(fs).write("runs/file", "")
    expect((await failure(fs.makeDirectory("runs/file/below", { recursive: true })))[0]).toBe("AlreadyExists")
    expect((await failure(fs.readFile("runs")))[1]).toBe("it is a folder")
  })

  test("are renamed over others, and folders with all that is in them", async () => {
    const fs = storedFiles(new MemoryFolder())
    const { write, read } = texts(fs)
    await write("run.json.tmp-1", "new")
    await write("run.json", "old")
    await run(fs.rename("run.json.tmp-1", "run.json"))
    expect(await read("run.json")).toBe("new")
    await run(fs.makeDirectory("step-1.tmp-1/deep", { recursive: true }))
    await write("step-1.tmp-1/state.json", "state")
    await write("step-1.tmp-1/deep/tensors", "tensors")
    await run(fs.rename("step-1.tmp-1", "step-1"))
    expect(await run(fs.readDirectory("/", { recursive: true }))).toEqual([
      "run.json",
      "step-1",
      "step-1/deep",
      "step-1/deep/tensors",
      "step-1/state.json"
    ])
    expect(await read("step-1/deep/tensors")).toBe("tensors")
    await run(fs.makeDirectory("step-2"))
    await write("step-2/state.json", "other")
    expect((await failure(fs.rename("step-2", "step-1")))[0]).toBe("AlreadyExists")
    expect(await read("step-1/state.json")).toBe("state")
    expect((await failure(fs.rename("nothing", "something")))[0]).toBe("NotFound")
  })

  test("are read by position and as a stream, and written through a handle, by one at a time", async () => {
    const fs = storedFiles(new MemoryFolder())
    await run(
      Effect.scoped(
        Effect.gen(function* () {
          const file = yield* fs.open("tensors", { flag: "wx" })
          yield* file.writeAll(Uint8Array.from({ length: 300 }, (_, i) => i & 255))
          yield* file.writeAll(Uint8Array.of(1, 2, 3))
          yield* file.sync
          expect(Number((yield* file.stat).size)).toBe(303)
          const [tag] = yield* Effect.promise(() => failure(fs.writeFile("tensors", new Uint8Array(1))))
          expect(tag).toBe("Busy")
        })
      )
    )
    await run(
      Effect.scoped(
        Effect.gen(function* () {
          const file = yield* fs.open("tensors")
          const part = new Uint8Array(4)
          expect(yield* file.read(part, { position: 299n })).toBe(4)
          expect([...part]).toEqual([43, 1, 2, 3])
          expect(yield* file.read(part)).toBe(4)
          expect([...part]).toEqual([0, 1, 2, 3])
          expect(yield* file.read(part, { position: 303n })).toBe(0)
          expect((yield* Effect.flip(file.writeAll(part))).reason._tag).toBe("PermissionDenied")
        })
      )
    )
    const pieces = await run(Stream.runCollect(fs.stream("tensors", { chunkSize: 100, bytesToRead: 250 })))
    expect([...pieces].map(({ length }) => length)).toEqual([100, 100, 50])
    expect((await failure(Effect.scoped(fs.open("none"))))[0]).toBe("NotFound")
  })

  test("have a size and a time, and no inode that a guard could compare", async () => {
    const fs = storedFiles(new MemoryFolder())
    await texts(fs).write("file", "12345")
    const info = await run(fs.stat("file"))
    expect([info.type, Number(info.size), Option.isNone(info.ino)]).toEqual(["File", 5, true])
    expect(Math.abs(Option.getOrThrow(info.mtime).getTime() - Date.now())).toBeLessThan(60_000)
    expect((await run(fs.stat("/"))).type).toBe("Directory")
  })
})

describe("files that come with the page", () => {
  const asked: Array<string> = []
  let server: ReturnType<typeof Bun.serve>
  beforeAll(() => {
    server = Bun.serve({
      port: 0,
      fetch: ({ url }) => {
        const { pathname } = new URL(url)
        asked.push(pathname)
        return pathname.endsWith("gone.json") ? new Response("", { status: 404 }) : new Response("0123456789")
      }
    })
  })
  afterAll(() => server.stop(true))

  const list = [
    { path: "models/small/config.json", bytes: 10 },
    { path: "models/small/gone.json", bytes: 10 },
    { path: "data/short.jsonl", bytes: 11 }
  ]
  const opened = (told: Array<string> = []) =>
    withStaticFiles(
      storedFiles(new MemoryFolder()),
      list,
      `http://127.0.0.1:${server.port}/site/`,
      (path, loaded, of) => {
        told.push(`${path} ${loaded} of ${of}`)
      }
    )

  test("are fetched once, when they are read, and lie among the stored ones", async () => {
    const told: Array<string> = []
    const fs = opened(told)
    asked.length = 0
    expect(Number((await run(fs.stat("models/small/config.json"))).size)).toBe(10)
    await run(fs.makeDirectory("data", { recursive: true }))
    await texts(fs).write("data/own.csv", "a,b\n")
    expect(await run(fs.readDirectory("data"))).toEqual(["own.csv", "short.jsonl"])
    expect(await run(fs.readDirectory("/"))).toEqual(["data", "models"])
    expect(asked).toEqual([])
    const read = () => run(fs.readFileString("/models/small/config.json"))
    expect([await read(), await read()]).toEqual(["0123456789", "0123456789"])
    expect(asked).toEqual(["/site/models/small/config.json"])
    expect(told.at(-1)).toBe("models/small/config.json 10 of 10")
    const part = await run(
      Effect.scoped(
        Effect.gen(function* () {
          const file = yield* fs.open("models/small/config.json")
          return yield* file.readAlloc(3, { position: 4n })
        })
      )
    )
    expect(new TextDecoder().decode(Option.getOrThrow(part))).toBe("456")
  })

  test("that do not come are a sentence, and nothing writes them", async () => {
    const fs = opened()
    expect((await failure(fs.readFile("models/small/gone.json")))[1]).toContain("the server answers 404")
    expect((await failure(fs.readFile("data/short.jsonl")))[1]).toContain("received 10 of 11 bytes")
    const changes = [
      fs.writeFileString("data/short.jsonl", ""),
      fs.remove("models/small", { recursive: true }),
      fs.rename("data/short.jsonl", "data/other"),
      fs.makeDirectory("models/small"),
      Effect.andThen(fs.writeFileString("mine", ""), fs.copyFile("mine", "data/short.jsonl"))
    ]
    for (const change of changes)
      expect(await failure(change)).toEqual(["PermissionDenied", "the file system is read-only"])
  })
})
