/** Who is gone: processes as they are, and lines of /proc as the kernel writes them. */
import { afterAll, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { isGone, ownerIn, seenIn, thisProcess } from "../../../src/files/process-owner.ts"
import { platform } from "../../../src/platform.ts"

const gone = (owner: Parameters<typeof isGone>[0]) => Effect.runPromise(Effect.provide(isGone(owner), platform))
const own = await Effect.runPromise(Effect.provide(thisProcess, platform))
const child = Bun.spawn(["sleep", "60"])
afterAll(() => child.kill())

describe("a line of /proc/<pid>/stat", () => {
  /** Fields from the state on; `starttime` is the 22nd of the line. */
  const line = (
    name: string,
    state: string,
    { flags = 4194304, threads = 1, start = 1260840, signals = 0, exit = 0 } = {}
  ) =>
    `4711 (${name}) ${state} 1 4711 4711 0 -1 ${flags} 102 0 0 0 0 0 0 0 20 0 ${threads} 0 ${start} 3366912 412 18446744073709551615 1 1 0 0 0 ${signals} 0 0 0 0 0 0 17 1 0 0 0 0 0 1 2 3 4 5 6 7 ${exit}\n`

  test("is counted after the name, whatever that holds", () => {
    for (const name of ["bun", "a b", "a) Z 1 (b", "((", ") S 2 3", "Z"]) {
      expect(seenIn(line(name, "S"))).toEqual({ state: "running", started: "1260840" })
      expect(seenIn(line(name, "Z"))).toEqual({ state: "dead", started: "1260840" })
    }
  })

  test("tells a process that ends from one that has ended", () => {
    for (const state of ["R", "S", "D", "T", "I"]) expect(seenIn(line("bun", state)).state).toBe("running")
    for (const state of ["Z", "X", "x"]) expect(seenIn(line("bun", state)).state).toBe("dead")
    expect(seenIn(line("bun", "R", { flags: 4194304 | 4 })).state).toBe("ending")
    // SIGKILL is on its way, and SIGTERM
    expect(seenIn(line("bun", "S", { signals: 256 })).state).toBe("ending")
    expect(seenIn(line("bun", "S", { signals: 1 << 14 })).state).toBe("running")
    // it has taken SIGKILL from what waits, and has not begun to end; stopped by SIGTSTP, a process only waits
    expect(seenIn(line("bun", "R", { exit: 9 })).state).toBe("ending")
    expect(seenIn(line("bun", "T", { exit: 20 })).state).toBe("running")
    // the first thread has ended, others have not
    expect(seenIn(line("bun", "Z", { threads: 3 })).state).toBe("ending")
  })

  test("that is no such line says nothing", () => {
    for (const text of ["", "4711", "4711 (bun) Z", ")))"]) expect(seenIn(text)).toEqual({ state: "running" })
  })
})

test("a process that lives is there; one of another start is not, and one of another host cannot be asked", async () => {
  const { host } = own
  expect(await gone(own)).toBe(false)
  expect(await gone({ pid: child.pid, host })).toBe(false)
  expect(await gone({ pid: 2 ** 30, host })).toBe(true)
  expect(await gone({ pid: 2 ** 30, host: "elsewhere" })).toBe(false)
  if (process.platform !== "linux") return
  const { started } = seenIn(readFileSync(`/proc/${child.pid}/stat`, "utf8"))
  expect(await gone({ ...own, pid: child.pid, started: started! })).toBe(false)
  expect(await gone({ ...own, pid: child.pid, started: `${started}0` })).toBe(true)
  expect(await gone({ ...own, boot: "another" })).toBe(true)
})

test.skipIf(process.platform !== "linux")("a process that ends while it is looked at is gone", async () => {
  const ending = Bun.spawn(["sleep", "60"])
  const owner = { pid: ending.pid, host: own.host }
  const looked = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const readFileString: typeof fs.readFileString = (file) =>
      Effect.promise(async () => {
        if (!file.includes(`/${ending.pid}/`)) return
        ending.kill("SIGKILL")
        await ending.exited
      }).pipe(Effect.andThen(fs.readFileString(file)))
    return yield* Effect.provideService(isGone(owner), FileSystem.FileSystem, { ...fs, readFileString })
  })
  expect(await Effect.runPromise(Effect.provide(looked, platform))).toBe(true)
})

test.skipIf(process.platform !== "linux")("a zombie is gone", async () => {
  // the shell becomes a program that asks for no child
  const parent = Bun.spawn(["sh", "-c", "sleep 60 & echo $!; exec sleep 60"], { stdout: "pipe" })
  const { value } = await parent.stdout.getReader().read()
  const pid = Number(new TextDecoder().decode(value))
  const stat = () => readFileSync(`/proc/${pid}/stat`, "utf8")
  const { started } = seenIn(stat())
  // as a shell it would still ask
  while (!/\(sleep\)/.test(readFileSync(`/proc/${parent.pid}/stat`, "utf8"))) await Bun.sleep(5)
  process.kill(pid, "SIGKILL")
  while (!/\) Z /.test(stat())) await Bun.sleep(5)
  expect(await gone({ ...own, pid, started: started! })).toBe(true)
  // and in a lock that says no more than its number
  expect(await gone({ pid, host: own.host })).toBe(true)
  parent.kill()
})

test("a lock's text: this version's, the one before's, and none", () => {
  expect(ownerIn(JSON.stringify(own))).toEqual(own)
  expect(ownerIn('{"pid":7,"host":"here"}')).toEqual({ pid: 7, host: "here" })
  for (const text of ["", "{", "[]", "7@here", '{"pid":0,"host":"x"}', '{"pid":1.5,"host":"x"}', '{"pid":1}'])
    expect(ownerIn(text)).toBeUndefined()
})
