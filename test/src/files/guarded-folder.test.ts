/** What is written by a guarded folder is in that folder, or not written. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import { memoryFiles } from "../../../src/data/index.ts"
import { type GuardedFolder, guardFolder, within, writtenElsewhere } from "../../../src/files/guarded-folder.ts"
import { platformReason, writeFileAtomic } from "../../../src/files/index.ts"
import { platform } from "../../../src/platform.ts"

const root = mkdtempSync(join(tmpdir(), "guarded-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let count = 0
let base = ""
const at = (...names: ReadonlyArray<string>) => join(base, ...names)
beforeEach(() => {
  base = join(root, `${count++}`)
  mkdirSync(at("run", "inner"), { recursive: true })
  mkdirSync(at("outside"))
  writeFileSync(at("outside", "mine"), "mine")
})

const guarded = <A, E>(
  use: (guard: GuardedFolder) => Effect.Effect<A, E, FileSystem.FileSystem | Path.Path | Scope.Scope>
): Promise<A> =>
  Effect.runPromise(Effect.flatMap(guardFolder(at("run")), use).pipe(Effect.scoped, Effect.provide(platform)))

type Write = (fs: FileSystem.FileSystem, file: string) => Effect.Effect<unknown, PlatformError, Scope.Scope>
/** all there are, each of a file or folder of this name */
const writes: Readonly<Record<string, Write>> = {
  open: (fs, file) => fs.open(file, { flag: "a" }),
  writeFile: (fs, file) => fs.writeFile(file, new Uint8Array([1])),
  writeFileString: (fs, file) => fs.writeFileString(file, "x", { flag: "a" }),
  makeDirectory: (fs, file) => fs.makeDirectory(file, { recursive: true })
}
const changes: Readonly<Record<string, Write>> = {
  ...writes,
  remove: (fs, file) => fs.remove(file, { recursive: true, force: true }),
  "rename from": (fs, file) => fs.rename(file, at("run", "renamed")),
  "rename to": (fs, file) => fs.rename(at("run", "there"), file),
  link: (fs, file) => fs.link(at("run", "there"), file)
}

/** Why each was refused. Nothing outside may have changed. */
const reasons = async (which: Readonly<Record<string, Write>>, file: string) => {
  writeFileSync(at("run", "there"), "there")
  const found = await guarded(({ files }) =>
    Effect.forEach(Object.values(which), (write) =>
      Effect.match(Effect.scoped(write(files, file)), { onSuccess: () => "written", onFailure: platformReason })
    )
  )
  expect(readdirSync(at("outside"))).toEqual(["mine"])
  expect(readFileSync(at("outside", "mine"), "utf8")).toBe("mine")
  return new Set(found)
}

describe("nothing is changed", () => {
  test("outside of it, however that is named", async () => {
    const outside = `it is outside of ${at("run")}, which alone is written here`
    for (const file of [at("outside", "mine"), at("run", "..", "outside", "mine"), at("run", "inner", "..", "..", "x")])
      expect(await reasons(changes, file)).toEqual(new Set([outside]))
  })

  test("through a link to a folder, at any depth", async () => {
    symlinkSync(at("outside"), at("run", "adapter"))
    symlinkSync(at("outside"), at("run", "inner", "deep"))
    const reason = (link: string) =>
      new Set([`${link} is a symbolic link, which is not followed for writing; remove it`])
    expect(await reasons(changes, at("run", "adapter", "mine"))).toEqual(reason(at("run", "adapter")))
    expect(await reasons(changes, at("run", "inner", "deep", "mine"))).toEqual(reason(at("run", "inner", "deep")))
  })

  test("through a link in the place of the file, also one that leads nowhere; the link itself can be replaced and removed", async () => {
    const link = at("run", "metrics.jsonl")
    for (const target of [at("outside", "mine"), at("outside", "nothing")]) {
      rmSync(link, { force: true })
      symlinkSync(target, link)
      expect(await reasons(writes, link)).toEqual(
        new Set(["it is a symbolic link, which is not followed for writing; remove it"])
      )
    }
    await guarded((guard) => writeFileAtomic(link, "new").pipe(within(guard)))
    expect(readFileSync(link, "utf8")).toBe("new")
    rmSync(link)
    symlinkSync(at("outside"), link)
    await guarded(({ files }) => files.remove(link, { recursive: true }))
    expect(readdirSync(at("outside"))).toEqual(["mine"])
    expect(existsSync(link)).toBe(false)
  })

  test("in another folder of its name, even one of the same inode number", async () => {
    const changed = await guarded(({ files, place }) =>
      Effect.gen(function* () {
        rmSync(at("run"), { recursive: true })
        mkdirSync(at("run"))
        const reason = yield* Effect.flip(files.writeFileString(at("run", "x"), "x"))
        return [platformReason(reason), (yield* place).kind]
      })
    )
    expect(changed).toEqual([
      `${at("run")} is no longer the folder that was opened; nothing is written into another one`,
      "removed"
    ])
    expect(readdirSync(at("run"))).toEqual([])
  })
})

describe("what was made in another folder that came between the look and the operation is removed again", () => {
  const made: Readonly<Record<string, Write>> = {
    "a file": (fs, file) => fs.open(file, { flag: "wx" }),
    "a folder": (fs, file) => fs.makeDirectory(file),
    "a line of a file that was there": (fs, file) => fs.writeFileString(file, "a line\n", { flag: "a" })
  }
  for (const [name, make] of Object.entries(made))
    test(name, async () => {
      const replace = Effect.sync(() => {
        renameSync(at("run"), at("moved"))
        mkdirSync(at("run"))
      })
      const reason = await Effect.runPromise(
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const slow = FileSystem.make({
            ...fs,
            open: (file, options) =>
              Effect.andThen(options?.flag === "wx" ? replace : Effect.void, fs.open(file, options)),
            makeDirectory: (file, options) => Effect.andThen(replace, fs.makeDirectory(file, options)),
            writeFile: (file, data, options) => Effect.andThen(replace, fs.writeFile(file, data, options))
          })
          const { files } = yield* guardFolder(at("run")).pipe(Effect.provideService(FileSystem.FileSystem, slow))
          return platformReason(yield* Effect.flip(make(files, at("run", "new"))))
        }).pipe(Effect.scoped, Effect.provide(platform))
      )
      expect(reason).toContain("is no longer the folder that was opened")
      expect(readdirSync(at("run"))).toEqual([])
    })
})

test("an operation that fails because the folder became another says that, and not that a file is missing", async () => {
  const reason = await Effect.runPromise(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const replace = Effect.sync(() => {
        renameSync(at("run"), at("moved"))
        mkdirSync(at("run"))
      })
      const slow = FileSystem.make({
        ...fs,
        open: (file, options) => Effect.andThen(options?.flag === "wx" ? replace : Effect.void, fs.open(file, options))
      })
      const { files } = yield* guardFolder(at("run")).pipe(Effect.provideService(FileSystem.FileSystem, slow))
      return platformReason(yield* Effect.flip(Effect.scoped(files.open(at("run", "inner", "new"), { flag: "wx" }))))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
  expect(reason).toContain("is no longer the folder that was opened")
  expect(readdirSync(at("run"))).toEqual([])
})

test("what is in it is written, and named from the working directory too", async () => {
  await guarded(({ files }) =>
    Effect.gen(function* () {
      for (const [i, write] of Object.values(writes).entries()) yield* write(files, at("run", "inner", `file-${i}`))
      yield* files.writeFileString(relative(process.cwd(), at("run", "..beside")), "a name that begins with dots")
    })
  )
  expect(readdirSync(at("run")).sort()).toEqual(["..beside", "inner"])
  expect(readdirSync(at("run", "inner")).length).toBe(Object.keys(writes).length)
})

test("a folder that is renamed is found beside, one that is moved is known to be somewhere", async () => {
  const places = await guarded(({ place }) =>
    Effect.gen(function* () {
      const here = yield* place
      renameSync(at("run"), at("moved"))
      const renamed = yield* place
      renameSync(at("moved"), at("outside", "run"))
      return [here, renamed, yield* place]
    })
  )
  expect(places).toEqual([{ kind: "here" }, { kind: "renamed", to: at("moved") }, { kind: "elsewhere" }])
})

test("files in memory have no inodes, and are written", () =>
  Effect.runPromise(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* fs.makeDirectory("run")
      const guard = yield* guardFolder("run")
      yield* writeFileAtomic("run/a.json", "1").pipe(within(guard))
      expect(yield* Effect.result(guard.files.writeFile("other/a", new Uint8Array(0)))).toMatchObject({
        _tag: "Failure"
      })
      expect(yield* fs.exists("run/a.json")).toBe(true)
      expect(yield* guard.place).toEqual({ kind: "here" })
    }).pipe(Effect.scoped, Effect.provide(memoryFiles().layer))
  ))

test("of a folder that another process writes everything is read, and nothing written", async () => {
  writeFileSync(at("run", "there"), "theirs")
  const before = readdirSync(base, { recursive: true })
  const refused = await Effect.runPromise(
    Effect.gen(function* () {
      const { files } = yield* writtenElsewhere
      expect(yield* files.readFileString(at("run", "there"))).toBe("theirs")
      expect(Number((yield* (yield* files.open(at("run", "there"))).stat).size)).toBe(6)
      return yield* Effect.forEach(Object.values(changes), (change) => Effect.flip(change(files, at("run", "there"))))
    }).pipe(Effect.scoped, Effect.provide(platform))
  )
  expect(refused.map(platformReason)).toEqual(Object.keys(changes).map(() => "another process writes this run"))
  expect(readdirSync(base, { recursive: true })).toEqual(before)
  expect(readFileSync(at("run", "there"), "utf8")).toBe("theirs")
})
