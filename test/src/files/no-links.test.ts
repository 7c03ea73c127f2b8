/** A file system that follows no link below a folder: whatever asks, and wherever on the way the link is. */
import { afterAll, expect, test } from "bun:test"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { platformReason, withoutLinks } from "../../../src/files/index.ts"
import { platform } from "../../../src/platform.ts"

const top = mkdtempSync(join(tmpdir(), "no-links-"))
afterAll(() => rmSync(top, { recursive: true, force: true }))
const outside = join(top, "outside")
const root = join(top, "root")
mkdirSync(join(outside, "inner"), { recursive: true })
writeFileSync(join(outside, "secret.txt"), "secret")
mkdirSync(join(root, "runs", "a"), { recursive: true })
writeFileSync(join(root, "runs", "a", "plan.json"), "{}")
symlinkSync(join(outside, "secret.txt"), join(root, "runs", "a", "link.txt"))
symlinkSync(outside, join(root, "runs", "away"))
symlinkSync(join(root, "runs", "a"), join(root, "runs", "same"))

const fs = await Effect.runPromise(Effect.provide(withoutLinks(root), platform))

type Method = (file: string) => Effect.Effect<unknown, { readonly reason: unknown }>
const following: Readonly<Record<string, Method>> = {
  access: fs.access,
  makeDirectory: (file) => fs.makeDirectory(`${file}/new`, { recursive: true }),
  open: (file) => Effect.scoped(fs.open(file)),
  append: (file) => Effect.scoped(fs.open(file, { flag: "a" })),
  readDirectory: fs.readDirectory,
  readFile: fs.readFile,
  readFileString: fs.readFileString,
  realPath: fs.realPath,
  stat: fs.stat,
  stream: (file) => Stream.runDrain(fs.stream(file)),
  writeFile: (file) => fs.writeFile(file, new Uint8Array(1)),
  writeFileString: (file) => fs.writeFileString(file, "x")
}

test.each(Object.keys(following))("%s follows none, at the end of a path and on its way", async (name) => {
  const reasonOf = async (file: string) => {
    const error = await Effect.runPromise(Effect.flip(following[name]!(file)))
    return platformReason(error as Parameters<typeof platformReason>[0])
  }
  const end = "is a symbolic link, which is not followed"
  for (const file of ["runs/a/link.txt", "runs/away", "runs/same"])
    expect(await reasonOf(join(root, file))).toBe(name === "makeDirectory" ? `${file} ${end}` : `it ${end}`)
  for (const file of ["secret.txt", "inner", "not-there"])
    expect(await reasonOf(join(root, "runs", "away", file))).toBe(`runs/away ${end}`)
  expect(readFileSync(join(outside, "secret.txt"), "utf8")).toBe("secret")
  expect(readdirSync(outside).sort()).toEqual(["inner", "secret.txt"])
})

test("nothing is moved or removed behind a link; a link itself may be", async () => {
  const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(Effect.result(effect))
  const failed = async (effect: Effect.Effect<unknown, unknown>) => expect((await run(effect))._tag).toBe("Failure")
  await failed(fs.remove(join(root, "runs/away/secret.txt")))
  await failed(fs.rename(join(root, "runs/away/secret.txt"), join(root, "stolen.txt")))
  await failed(fs.rename(join(root, "runs/a/plan.json"), join(root, "runs/away/plan.json")))
  await failed(fs.link(join(root, "runs/away/secret.txt"), join(root, "stolen.txt")))
  expect(await Effect.runPromise(fs.readLink(join(root, "runs/away")))).toBe(outside)
  expect((await Effect.runPromise(fs.lstat(join(root, "runs/same")))).type).toBe("SymbolicLink")
  expect(await Effect.runPromise(fs.exists(join(root, "runs/away")))).toBe(true)
  await failed(fs.exists(join(root, "runs/away/secret.txt")))
  await Effect.runPromise(fs.remove(join(root, "runs/same")))
  expect(readdirSync(join(root, "runs")).sort()).toEqual(["a", "away"])
  expect(existsSync(join(outside, "secret.txt"))).toBe(true)
})

test("a folder that is read-only is read, and nothing is written or removed in it; elsewhere, it is", async () => {
  let isReadOnly = true
  const own = await Effect.runPromise(
    Effect.provide(
      withoutLinks(root, () => isReadOnly),
      platform
    )
  )
  const plan = join(root, "runs/a/plan.json")
  const changing = [
    own.writeFileString(plan, "x"),
    own.writeFile(plan, new Uint8Array(1)),
    Effect.scoped(own.open(plan, { flag: "a" })),
    own.makeDirectory(join(root, "new")),
    own.remove(plan),
    own.rename(plan, `${plan}.2`),
    own.link(plan, `${plan}.2`)
  ]
  for (const change of changing) {
    const error = await Effect.runPromise(Effect.flip(change as Effect.Effect<unknown, PlatformError>))
    expect(platformReason(error)).toBe("its folder is open read-only")
  }
  expect(await Effect.runPromise(own.readFileString(plan))).toBe("{}")
  await Effect.runPromise(own.writeFileString(join(top, "elsewhere.txt"), "x"))
  isReadOnly = false
  await Effect.runPromise(own.writeFileString(plan, "{}"))
})

test("elsewhere, and where there is no link, it is the file system as ever", async () => {
  const text = Effect.gen(function* () {
    const own = yield* FileSystem.FileSystem
    yield* own.writeFileString(join(root, "runs/a/new.txt"), "new")
    yield* own.rename(join(root, "runs/a/new.txt"), join(root, "runs/a/newer.txt"))
    return [
      yield* own.readFileString(join(root, "runs/a/newer.txt")),
      yield* own.readFileString(join(outside, "secret.txt"))
    ]
  })
  expect(await Effect.runPromise(Effect.provideService(text, FileSystem.FileSystem, fs))).toEqual(["new", "secret"])
})
