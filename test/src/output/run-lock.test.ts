/** One process per run folder: who has it, who may take it over, and that nobody's lock is removed by another. */
import { expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { thisProcess } from "../../../src/files/index.ts"
import { lockRun } from "../../../src/output/run-folder.ts"
import { type Fault, faultyFiles } from "../../faulty-files.ts"
import { temporaryFolders, withFiles } from "./toy-session.ts"

const folder = temporaryFolders()
const lockOf = (run: string) => join(run, "lock")
const ownerOf = (run: string) => JSON.parse(readFileSync(lockOf(run), "utf8"))
const lockedBy = (run: string, owner: unknown) => writeFileSync(lockOf(run), JSON.stringify(owner))
const self = await withFiles(thisProcess)

/** A process that lives until the test ends, and one that is dead. */
const living = () => Bun.spawn(["sleep", "60"])
const dead = async () => {
  const child = Bun.spawn(["true"])
  await child.exited
  return child.pid
}

/** Takes the lock for a moment; what it says then, or why it was not given. */
const taken = (run: string) =>
  withFiles(
    Effect.scoped(Effect.as(lockRun(run), "taken")).pipe(Effect.catch((error) => Effect.succeed(error.message)))
  )

test("names its process while the scope lasts, and is gone afterwards", () =>
  withFiles(
    Effect.gen(function* () {
      const run = folder()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lockRun(run)
          expect(ownerOf(run)).toEqual(self)
          expect(readdirSync(run)).toEqual(["lock"])
        })
      )
      expect(readdirSync(run)).toEqual([])
    })
  ))

test("is not given to a second one, of this process or of another that lives", async () => {
  const run = folder()
  await withFiles(
    Effect.gen(function* () {
      yield* lockRun(run)
      const error = yield* Effect.flip(Effect.scoped(lockRun(run)))
      expect(error._tag).toBe("RunLocked")
      expect(ownerOf(run)).toEqual(self)
    })
  )
  const child = living()
  lockedBy(run, { pid: child.pid, host: hostname() })
  expect(await taken(run)).toBe(
    `${run} is being written by process ${child.pid}; wait for it, or remove ${run}/lock if that process has ended`
  )
  expect(ownerOf(run).pid).toBe(child.pid)
  child.kill()
  await child.exited
  expect(await taken(run)).toBe("taken")
})

test("of a process that is dead is taken over, and so is what names no process", async () => {
  const run = folder()
  const unusable = [
    "",
    "{",
    "[]",
    '{"pid":0,"host":"x"}',
    '{"pid":"1"}',
    JSON.stringify({ pid: await dead(), host: hostname() })
  ]
  for (const content of [...unusable, JSON.stringify(self)]) {
    writeFileSync(lockOf(run), content)
    expect(await taken(run)).toBe("taken")
    expect(readdirSync(run)).toEqual([])
  }
})

test("of another host stands: nobody can ask there", async () => {
  const run = folder()
  lockedBy(run, { pid: await dead(), host: "elsewhere" })
  expect(await taken(run)).toMatch(
    /is being written by process \d+ on elsewhere; .* remove .*\/lock if that process has ended$/
  )
  expect(existsSync(lockOf(run))).toBe(true)
})

test("that somebody else has by now is not removed at the end", () =>
  withFiles(
    Effect.gen(function* () {
      const run = folder()
      const other = { pid: 1, host: "elsewhere" }
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lockRun(run)
          rmSync(lockOf(run))
          lockedBy(run, other)
        })
      )
      expect(ownerOf(run)).toEqual(other)
    })
  ))

test("two that see the same dead owner: the one that comes late finds the other's lock, and leaves it", async () => {
  const run = folder()
  const child = living()
  lockedBy(run, { pid: await dead(), host: hostname() })
  // the other process is through between this one's look and its move
  const overtaken: Fault = (operation, path) =>
    Effect.sync(() => {
      if (operation === "rename" && path.includes(".dead.")) lockedBy(run, { pid: child.pid, host: hostname() })
    })
  const message = await withFiles(
    Effect.flip(Effect.scoped(lockRun(run))).pipe(
      Effect.map((error) => error.message),
      Effect.provide(faultyFiles(overtaken))
    )
  )
  expect(message).toMatch(`is being written by process ${child.pid}`)
  expect(ownerOf(run).pid).toBe(child.pid)
  expect(readdirSync(run)).toEqual(["lock"])
  child.kill()
})

test("where the folder cannot be written it is a FileError", async () => {
  const missing = join(folder(), "missing")
  expect(await taken(missing)).toBe(`cannot write ${missing}/lock: no such file or folder`)
})
