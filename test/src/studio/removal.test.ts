/**
 * Runs that are removed: whole or not at all, whenever the studio is killed; nothing by a link, nothing that is another's. And runs whose
 * process is killed: at no moment does the list say that they were stopped.
 */
import { afterAll, describe, expect, test } from "bun:test"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { ownerOf, thisProcess } from "../../../src/files/index.ts"
import { seenIn } from "../../../src/files/process-owner.ts"
import type { Sources } from "../../../src/hub/index.ts"
import { platform } from "../../../src/platform.ts"
import { runFolders, runsOf } from "../../../src/studio/runs/index.ts"
import { holdingRuns } from "../../../src/studio/server/engine-client.ts"
import { type Launcher, openLauncher } from "../../../src/studio/server/launcher.ts"
import { type Ended, isAlive, startDetached } from "../../../src/studio/server/processes.ts"
import { openBusy } from "../../../src/studio/server/removal.ts"
import { openStudies } from "../../../src/studio/server/studies.ts"

const top = mkdtempSync(join(tmpdir(), "studio-removal-"))
const before = process.cwd()
afterAll(() => {
  process.chdir(before)
  rmSync(top, { recursive: true, force: true })
})

/** A folder of its own for a test, to which the process goes. */
const inFolder = (files: Readonly<Record<string, string>>): string => {
  const folder = mkdtempSync(join(top, "one-"))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  process.chdir(folder)
  return folder
}

const ID = "runs/a-1"
const record = (id: string, parts: object = {}) => ({
  [`.state/runs/${encodeURIComponent(id)}.json`]: JSON.stringify({
    id,
    plan: "plans/a.json",
    startedAt: 1,
    waits: false,
    resumes: false,
    stopping: false,
    ...parts
  }),
  [`.state/runs/${encodeURIComponent(id)}.log`]: "what it said\n",
  [`.state/runs/${encodeURIComponent(id)}.outcome`]: ""
})
const runOf = (id: string) => ({
  [`${id}/plan.json`]: "{}",
  [`${id}/run.json`]: "{}",
  [`${id}/metrics.jsonl`]: "",
  [`${id}/adapter/adapter_model.safetensors`]: "weights",
  [`${id}/checkpoints/step-1/optimizer.safetensors`]: "moments"
})

/** Every file with its bytes; of locks that a kill left nothing. */
const everything = (folder = "."): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (readdirSync(folder, { recursive: true }) as Array<string>)
      .filter((name) => !/\/lock(\.|$)/.test(name) && statSync(join(folder, name)).isFile())
      .sort()
      .map((name) => [name, readFileSync(join(folder, name), "utf8")])
  )

const command = (script: string) => ({ runtime: process.execPath, args: ["-e", script, "--"], env: process.env })
const NEVER = command("process.exit(1)")
const idle = { with: () => undefined }

const run = <A, E>(effect: Effect.Effect<A, E, Sources>) => Effect.runPromise(effect.pipe(Effect.provide(platform)))
const refusal = (launcher: Launcher, id: string) =>
  run(Effect.match(launcher.remove(id), { onSuccess: () => "removed", onFailure: ({ message }) => message }))

describe("a studio that is killed while it removes a run", () => {
  const CHANGES = new Set(["remove", "rename", "open", "link", "writeFile", "writeFileString", "makeDirectory"])

  /** A file system that is killed before its change number `at`, or in the middle of it. */
  const killedAt = (fs: FileSystem.FileSystem, at: number, inMiddle: boolean) => {
    const count = { isOn: false, changes: 0 }
    const files = new Proxy(fs, {
      get: (target, name: keyof FileSystem.FileSystem) => {
        const method = target[name] as unknown
        if (!CHANGES.has(name) || typeof method !== "function") return method
        return (...args: ReadonlyArray<unknown>) =>
          Effect.suspend(() => {
            const own = method.apply(target, args) as Effect.Effect<unknown, unknown>
            if (!count.isOn) return own
            count.changes++
            if (count.changes < at) return own
            // half of a folder is gone: what is read first of it, or all but that
            const folder = String(args[0])
            if (count.changes === at && inMiddle && name === "remove" && existsSync(join(folder, "plan.json"))) {
              rmSync(join(folder, "adapter"), { recursive: true })
              rmSync(join(folder, "run.json"))
            }
            return Effect.die("killed")
          })
      }
    })
    return { files, count }
  }

  test.each([false, true])(
    "leaves all of it or, once it is opened again, nothing (in the middle: %p)",
    async (inMiddle) => {
      const outcomes = new Set<"whole" | "gone">()
      for (let at = 1; ; at++) {
        inFolder({ ...runOf(ID), ...record(ID), "plans/a.json": "{}", "data/rows.csv": "text" })
        const all = everything()
        const isDone = await run(
          Effect.gen(function* () {
            const { files, count } = killedAt(yield* FileSystem.FileSystem, at, inMiddle)
            const launcher = yield* openLauncher(NEVER, [], ".state", idle).pipe(
              Effect.provideService(FileSystem.FileSystem, files)
            )
            count.isOn = true
            const exit = yield* Effect.exit(
              launcher.remove(ID).pipe(Effect.provideService(FileSystem.FileSystem, files))
            )
            expect(count.changes).toBeGreaterThanOrEqual(at - 1)
            return exit._tag === "Success"
          })
        )
        const isListed = (await run(runFolders())).includes(ID)
        // the command line, which knows of no removal, sees the same
        if (isListed) expect(everything()).toEqual(all)
        const again = await run(openLauncher(NEVER, [], ".state", idle))
        expect(again.startedFolders()).toEqual(isListed ? [ID] : [])
        const left = everything()
        expect(left).toEqual(isListed ? all : { "data/rows.csv": "text", "plans/a.json": "{}" })
        if (!isListed) expect(readdirSync("runs")).toEqual([])
        outcomes.add(isListed ? "whole" : "gone")
        if (isDone) break
        expect(at).toBeLessThan(50)
      }
      expect([...outcomes]).toEqual(["whole", "gone"])
    }
  )
})

describe("what is removed", () => {
  test("is the run alone: its folder, its record and its log; links in it go, and what they lead to stays", async () => {
    const folder = inFolder({ ...runOf(ID), ...record(ID), ...runOf("runs/b-1"), "kept/rows.csv": "text" })
    symlinkSync(join(folder, "kept"), join(ID, "rows"))
    symlinkSync(join(folder, "kept", "rows.csv"), join(ID, "rows.csv"))
    const launcher = await run(openLauncher(NEVER, [], ".state", idle))
    expect(await refusal(launcher, ID)).toBe("removed")
    expect(everything()).toEqual({ ...runOf("runs/b-1"), "kept/rows.csv": "text" })
    expect(readdirSync("runs")).toEqual(["b-1"])
    expect(launcher.startedFolders()).toEqual([])
  })

  test("is nothing through a link, nothing outside, and nothing in which the studio keeps other things", async () => {
    const folder = inFolder({ ...runOf("kept/c-1"), ...runOf("runs/real-1"), "plans/plan.json": "{}" })
    const outside = mkdtempSync(join(top, "outside-"))
    writeFileSync(join(outside, "plan.json"), "{}")
    symlinkSync(outside, join("runs", "link-1"))
    symlinkSync(join(folder, "kept"), join("runs", "way"))
    const all = [everything(), everything(outside)]
    const launcher = await run(openLauncher(NEVER, [], ".state", idle))
    const link = /is a symbolic link, and the studio removes nothing through links; remove it by hand$/
    expect(await refusal(launcher, "runs/link-1")).toMatch(link)
    expect(await refusal(launcher, "runs/way/c-1")).toStartWith("runs/way/c-1 is inside runs/way, which is a")
    for (const id of ["..", "../outside", "runs/../kept/c-1", "runs//real-1", outside, "", ".", "./runs/real-1"])
      expect([id, await refusal(launcher, id)]).toEqual([id, `${id} is not a folder inside the studio's folder`])
    for (const id of ["plans", "runs", "data", "compare", "exports"])
      expect(await refusal(launcher, id)).toMatch(/contains another run|the studio itself uses/)
    expect([everything(), everything(outside)]).toEqual(all)
    expect(readdirSync("runs").sort()).toEqual(["link-1", "real-1", "way"])
  })

  test("is never a folder that holds another run, or that is no run's", async () => {
    inFolder({ ...runOf("deep"), ...runOf("deep/inner-1"), ...record("deep"), ...record("deep/inner-1") })
    mkdirSync("runs")
    const launcher = await run(openLauncher(NEVER, [], ".state", idle))
    expect(await refusal(launcher, "deep")).toBe("deep contains another run, deep/inner-1; remove that one first")
    expect(await refusal(launcher, "deep/inner-1")).toBe("removed")
    expect(await refusal(launcher, "deep")).toBe("removed")
    // a run that had no folder yet, whose name another folder has by now
    inFolder({ ...record(ID), ...record("runs/b-1"), [`${ID}/notes.txt`]: "mine", "runs/b-1/lock": "{}" })
    const other = await run(openLauncher(NEVER, [], ".state", idle))
    expect(await refusal(other, ID)).toBe("removed")
    expect(await refusal(other, "runs/b-1")).toBe("removed")
    expect(other.startedFolders()).toEqual([])
    expect(everything()).toEqual({ [`${ID}/notes.txt`]: "mine" })
    expect(existsSync("runs/b-1")).toBe(false)
  })

  test("is nothing that is used: trained by another process, exported, asked", async () => {
    inFolder(runOf(ID))
    const busy = openBusy()
    const launcher = await run(openLauncher(NEVER, [], ".state", busy))
    const child = Bun.spawn([process.execPath, "-e", "setInterval(() => {}, 1000)"])
    try {
      writeFileSync(join(ID, "lock"), JSON.stringify(await run(ownerOf(child.pid))))
      expect(await refusal(launcher, ID)).toBe(`${ID} is still running; stop it first, then remove it`)
    } finally {
      child.kill("SIGKILL")
      await child.exited
    }
    const held = busy
      .hold(ID, "is being exported")
      .pipe(Effect.andThen(Effect.promise(() => refusal(launcher, ID))), Effect.scoped)
    expect(await run(held)).toBe(`${ID} is being exported; remove it when that is done`)
    expect(await refusal(launcher, ID)).toBe("removed")
    expect(existsSync(ID)).toBe(false)
  })
})

describe("a list", () => {
  test("that is read while a run is removed has all of it or nothing; whoever watches it is told", async () => {
    inFolder({ ...runOf(ID), ...record(ID), ...runOf("runs/b-1") })
    await run(
      Effect.gen(function* () {
        const { calls, watches } = runsOf(yield* openLauncher(NEVER, [], ".state", idle)).handlers
        const watched = yield* Effect.forkChild(Effect.flip(Stream.runDrain(watches!.run!({ id: ID }))))
        // the list knows of both, and comes to their files when one of them is gone
        const fs = yield* FileSystem.FileSystem
        const files = yield* Effect.context<Sources>()
        let isRemoved = false
        const late: FileSystem.FileSystem = {
          ...fs,
          stat: (file) =>
            Effect.gen(function* () {
              if (!isRemoved && file.endsWith("plan.json")) {
                isRemoved = true
                yield* calls!.remove!({ id: ID }).pipe(Effect.provideContext(files), Effect.orDie)
              }
              return yield* fs.stat(file)
            })
        }
        const seen = yield* calls!.runs!({}).pipe(Effect.provideService(FileSystem.FileSystem, late))
        expect(isRemoved).toBe(true)
        expect(seen.map(({ id }) => id)).toEqual(["runs/b-1"])
        expect((yield* Fiber.join(watched)).message).toBe(`${ID} was removed`)
        expect((yield* Effect.flip(calls!.remove!({ id: ID }))).message).toBe(`${ID} is not a run in this folder`)
      })
    )
  })
})

test("a run is held for as long as the engine is asked of it", async () => {
  const busy = openBusy()
  const seen: Array<string | undefined> = []
  const client = holdingRuns(
    {
      call: () => Effect.sync(() => seen.push(busy.with(ID))),
      watch: () => Stream.fromIterable([1, 2]).pipe(Stream.tap(() => Effect.sync(() => seen.push(busy.with(ID))))),
      end: Effect.void
    },
    busy
  )
  await Effect.runPromise(client.call("ask", { id: ID }))
  await Effect.runPromise(Stream.runDrain(client.watch("write", { id: ID })))
  await Effect.runPromise(client.call("rows", { source: ID }))
  expect(seen).toEqual(["is being asked", "is being asked", "is being asked", undefined])
  expect(busy.with(ID)).toBeUndefined()
})

test("a study is removed with its runs, unless one of them is written; a removal that was cut off is ended", async () => {
  const study = "compare/s-1"
  inFolder({
    [`${study}/study.json`]: "{}",
    [`${study}/runs/t-1/plan.json`]: "{}",
    "compare/.removed-0-s-2/study.json": "{}",
    "compare/notes/mine.txt": "mine"
  })
  symlinkSync(join(process.cwd(), "compare", "s-1"), join("compare", "linked-1"))
  const { calls } = await run(openStudies(NEVER, [], ".state"))
  const named = async () => (await run(calls!.studies!({}))).map(({ id }) => id).sort()
  const removed = (id: string) =>
    run(Effect.match(calls!.removeStudy!({ id }), { onSuccess: () => "removed", onFailure: ({ message }) => message }))
  expect(await named()).toEqual(["compare/linked-1", study])
  expect(readdirSync("compare").sort()).toEqual(["linked-1", "notes", "s-1"])
  writeFileSync(`${study}/runs/t-1/lock`, JSON.stringify(await run(thisProcess)))
  expect(await removed(study)).toBe(
    `${study} is still running: a process writes its run t-1; remove it when that has finished`
  )
  rmSync(`${study}/runs/t-1/lock`)
  expect(await removed("compare/linked-1")).toContain("is a symbolic link")
  expect(await removed("compare/notes")).toBe("compare/notes is not a study in this folder")
  expect(await removed(study)).toBe("removed")
  expect(await named()).toEqual([])
  expect(readdirSync("compare").sort()).toEqual(["linked-1", "notes"])
})

describe("a run as a process", () => {
  /** Takes the lock of its folder as a run does. */
  const script = `
  const fs = require("node:fs")
  const id = process.argv[process.argv.indexOf("--out") + 1]
  fs.mkdirSync(id, { recursive: true })
  const line = process.platform === "linux" ? fs.readFileSync("/proc/self/stat", "utf8") : undefined
  const boot = line === undefined ? undefined : fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
  const started = line?.slice(line.lastIndexOf(")") + 2).split(" ")[19]
  fs.writeFileSync(id + "/lock", JSON.stringify({ pid: process.pid, host: require("node:os").hostname(), started, boot }))
  fs.writeFileSync(id + "/plan.json", "{}")
  setInterval(() => {}, 1000)`
  const pidIn = (id: string) => (JSON.parse(readFileSync(`${id}/lock`, "utf8")) as { readonly pid: number }).pid

  test("that is killed has failed from one moment to the next, and was never stopped", async () => {
    inFolder({})
    await run(
      Effect.gen(function* () {
        const launcher = yield* openLauncher(command(script), [], ".state", idle)
        const { summary } = runsOf(launcher)
        for (const id of ["runs/k-1", "runs/k-2", "runs/k-3"]) {
          yield* launcher.start({ id, plan: "plans/a.json", now: true })
          while ((yield* summary(id)).state !== "training") yield* Effect.sleep(5)
          const states: Array<string> = []
          process.kill(pidIn(id), "SIGKILL")
          while (states.at(-1) !== "failed") {
            states.push((yield* summary(id)).state)
            expect(states.length).toBeLessThan(10_000)
          }
          expect([...new Set(states)]).toEqual(states.length === 1 ? ["failed"] : ["training", "failed"])
        }
      })
    )
  })

  test("whose end comes while the list is read has failed in that list already", async () => {
    inFolder({})
    await run(
      Effect.gen(function* () {
        const launcher = yield* openLauncher(command(script), [], ".state", idle)
        const { summary } = runsOf(launcher)
        yield* launcher.start({ id: ID, plan: "plans/a.json", now: true })
        while ((yield* summary(ID)).state !== "training") yield* Effect.sleep(5)
        const pid = pidIn(ID)
        // the list has read what it knows of the run, and comes to its lock when the process is gone
        const fs = yield* FileSystem.FileSystem
        const late: FileSystem.FileSystem = {
          ...fs,
          open: (file, options) =>
            Effect.gen(function* () {
              if (file.endsWith("/lock")) {
                process.kill(pid, "SIGKILL")
                while (launcher.records.get(ID)?.exit === undefined) yield* Effect.sleep(5)
              }
              return yield* fs.open(file, options)
            })
        }
        const seen = yield* summary(ID).pipe(Effect.provideService(FileSystem.FileSystem, late))
        expect(seen).toMatchObject({ state: "failed" })
        expect(seen.note).toStartWith("its process was killed")
      })
    )
  })

  test.skipIf(process.platform !== "linux")("is alive until it is known how it ended", async () => {
    inFolder({})
    const ends: Array<Ended> = []
    const pid = await run(
      startDetached(command("setInterval(() => {}, 1000)"), [], {
        log: "log",
        goesOn: false,
        ended: (how) => ends.push(how)
      })
    )
    const owner = await run(ownerOf(pid!))
    const isDead = () => {
      try {
        return seenIn(readFileSync(`/proc/${pid}/stat`, "utf8")).state === "dead"
      } catch {
        return true
      }
    }
    process.kill(pid!, "SIGKILL")
    // no event comes in between
    while (!isDead()) {}
    const atOnce = Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const readFileString = (file: string) => Effect.sync(() => readFileSync(file, "utf8"))
      const alive = yield* Effect.provideService(isAlive(owner), FileSystem.FileSystem, { ...fs, readFileString })
      return { alive, told: ends.length }
    })
    expect(await run(atOnce)).toEqual({ alive: true, told: 0 })
    while (ends.length === 0) await Bun.sleep(5)
    expect(ends).toEqual([{ code: null, signal: "SIGKILL" }])
    expect(await run(isAlive(owner))).toBe(false)
  })

  test("is removed once it has ended, or while it waits; another of its name begins anew", async () => {
    inFolder({})
    await run(
      Effect.gen(function* () {
        const launcher = yield* openLauncher(command(script), [], ".state", idle)
        const { summary, ids } = runsOf(launcher)
        yield* launcher.start({ id: ID, plan: "plans/a.json", now: true })
        while ((yield* summary(ID)).state !== "training") yield* Effect.sleep(5)
        yield* launcher.start({ id: "runs/b-1", plan: "plans/a.json", now: false })
        expect((yield* summary("runs/b-1")).state).toBe("waiting")
        const refused = yield* Effect.flip(launcher.remove(ID))
        expect(refused.message).toBe(`${ID} is still running; stop it first, then remove it`)
        yield* launcher.remove("runs/b-1")
        expect(yield* ids).toEqual([ID])
        process.kill(pidIn(ID), "SIGKILL")
        while ((yield* summary(ID)).state !== "failed") yield* Effect.sleep(5)
        yield* launcher.turn
        expect(yield* ids).toEqual([ID])
        yield* launcher.remove(ID)
        expect(yield* ids).toEqual([])
        expect(everything()).toEqual({})
        yield* launcher.start({ id: ID, plan: "plans/a.json", now: true })
        while ((yield* summary(ID)).state !== "training") yield* Effect.sleep(5)
        expect(yield* summary(ID)).toMatchObject({ note: null })
        process.kill(pidIn(ID), "SIGKILL")
        while ((yield* summary(ID)).state !== "failed") yield* Effect.sleep(5)
      })
    )
  })
})
