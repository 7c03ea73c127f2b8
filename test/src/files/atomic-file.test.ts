/** A file that is replaced has the new content or the old one, whatever is interrupted. */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import { replaceFile, writeFileAtomic } from "../../../src/files/index.ts"
import { platform } from "../../../src/platform.ts"

const root = mkdtempSync(join(tmpdir(), "atomic-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const SLOW = 100 // milliseconds

test.each(["remove", "rename"] as const)(
  "a write that is interrupted while the system is busy with its %s does not disturb the next one",
  async (operation) => {
    const file = join(root, operation)
    let begun = false
    await Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      // as a system does it: once asked for, it is done, whoever still waits for it
      const slow = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.promise(async () => {
          begun = true
          await Bun.sleep(SLOW)
          return Effect.runPromise(effect)
        })
      const busy: FileSystem.FileSystem =
        operation === "rename"
          ? { ...fs, rename: (from, to) => slow(fs.rename(from, to)) }
          : { ...fs, remove: (path, options) => (begun ? fs.remove(path, options) : slow(fs.remove(path, options))) }
      const first = yield* Effect.forkChild(
        Effect.provideService(writeFileAtomic(file, "old"), FileSystem.FileSystem, busy)
      )
      while (!begun) yield* Effect.sleep(1)
      yield* Fiber.interrupt(first)
      // what was asked for would be done while this one is being written
      const write = (handle: FileSystem.File) =>
        Effect.andThen(Effect.sleep(2 * SLOW), handle.writeAll(new TextEncoder().encode("new")))
      yield* replaceFile(file, write, (error) => error)
    }).pipe(Effect.scoped, Effect.provide(platform), Effect.runPromise)
    expect(readFileSync(file, "utf8")).toBe("new")
    expect(readdirSync(root).filter((name) => name.includes(".tmp-"))).toEqual([])
  }
)

test("what is long to write is interrupted at once, and leaves the file as it was", async () => {
  const file = join(root, "long")
  await Effect.gen(function* () {
    yield* writeFileAtomic(file, "old")
    let begun = false
    const endless = Effect.andThen(
      Effect.sync(() => {
        begun = true
      }),
      Effect.never
    )
    const writing = yield* Effect.forkChild(replaceFile(file, () => endless, String))
    while (!begun) yield* Effect.sleep(1)
    yield* Fiber.interrupt(writing)
  }).pipe(Effect.scoped, Effect.provide(platform), Effect.runPromise)
  expect(readFileSync(file, "utf8")).toBe("old")
  expect(readdirSync(root).filter((name) => name.includes(".tmp-"))).toEqual([])
})
