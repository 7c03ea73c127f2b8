/**
 * The policy of checkpoints: when one is written, that training does not wait for the disk, which are kept, and which one a run
 * goes on from.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { DeviceError } from "../../../src/device/index.ts"
import { checkpointName } from "../../../src/output/checkpoint-read.ts"
import {
  type CheckpointOptions,
  clearTemporary,
  newestCheckpoint,
  openCheckpoints,
  setAside
} from "../../../src/output/checkpoints.ts"
import { type Fault, faultyFiles, noSpace } from "../../faulty-files.ts"
import { adamw } from "../training/optimizers.ts"
import { takeSteps, temporaryFolders, toyRun, toySession, withFiles } from "./toy-session.ts"

beforeAll(() => tf.setBackend("cpu"))
const folder = temporaryFolders()

const stepsIn = (run: string) =>
  existsSync(join(run, "checkpoints")) ? readdirSync(join(run, "checkpoints")).sort() : []
const named = (...steps: ReadonlyArray<number>) => steps.map(checkpointName)

const open = (run: string, options: Partial<CheckpointOptions> = {}) =>
  Effect.gen(function* () {
    const session = yield* toySession(adamw)
    const checkpoints = yield* openCheckpoints(session, toyRun(run), { checkpointEvery: 2, keep: 2, ...options })
    return { session, checkpoints }
  })

const record = (run: string, step: number) =>
  JSON.parse(readFileSync(join(run, "checkpoints", checkpointName(step), "state.json"), "utf8"))

describe("writing", () => {
  test("every so many steps; the newest are kept, and older ones go", () =>
    withFiles(
      Effect.gen(function* () {
        const run = folder()
        const { session, checkpoints } = yield* open(run)
        for (let step = 1; step <= 7; step++) {
          yield* takeSteps(session, 1)
          yield* checkpoints.afterStep()
        }
        yield* checkpoints.save
        expect(stepsIn(run)).toEqual(named(6, 7))
        expect(checkpoints.saved()).toBe(7)
      })
    ))

  test("at the best evaluation so far, which is kept besides the newest", () =>
    withFiles(
      Effect.gen(function* () {
        const run = folder()
        const { session, checkpoints } = yield* open(run, { keep: 1, checkpointEvery: 100 })
        const soFar = [
          null,
          { step: 2, loss: 0.5 },
          { step: 2, loss: 0.5 },
          undefined,
          { step: 2, loss: 0.5 },
          undefined
        ]
        for (const best of soFar) {
          yield* takeSteps(session, 1)
          yield* checkpoints.afterStep(best)
        }
        yield* checkpoints.save
        expect(stepsIn(run)).toEqual(named(2, 6))
        expect(record(run, 6).best).toEqual({ step: 2, loss: 0.5 })
      })
    ))

  test("not twice for the same step, nor before the first", () =>
    withFiles(
      Effect.gen(function* () {
        const run = folder()
        const { session, checkpoints } = yield* open(run)
        yield* checkpoints.save
        expect(stepsIn(run)).toEqual([])
        yield* takeSteps(session, 2)
        yield* checkpoints.afterStep()
        yield* checkpoints.save
        const file = Bun.file(join(run, "checkpoints", checkpointName(2), "state.json"))
        const written = file.lastModified
        yield* checkpoints.save
        expect(file.lastModified).toBe(written)
      })
    ))
})

describe("a slow disk", () => {
  // Some five writes to a checkpoint, which take longer than any step here by orders.
  const WRITE = 150
  const writesIn =
    (milliseconds: number): Fault =>
    (operation) =>
      operation === "write" ? Effect.sleep(milliseconds) : Effect.void
  /** Where no time is compared. */
  const SLOW = 40

  test(
    "does not stop the steps: one waits for the copy alone, and what is written is the state as it was then",
    () =>
      withFiles(
        Effect.gen(function* () {
          const run = folder()
          const { session, checkpoints } = yield* open(run, { checkpointEvery: 4 })
          yield* takeSteps(session, 4)
          const began = performance.now()
          yield* checkpoints.afterStep()
          const waited = performance.now() - began
          yield* takeSteps(session, 3)
          const stepped = performance.now() - began
          // the three steps are done before the first few of its writes
          expect(stepsIn(run).every((name) => name.includes(".tmp-"))).toBe(true)
          yield* checkpoints.save
          const written = performance.now() - began
          expect(stepsIn(run)).toEqual(named(4, 7))
          expect(record(run, 4)).toMatchObject({ step: 4, position: { epoch: 1, batch: 0 } })
          expect(waited).toBeLessThan(written / 10)
          expect(stepped).toBeLessThan(written / 4)
        }).pipe(Effect.provide(faultyFiles(writesIn(WRITE))))
      ),
    20_000
  )

  /** As many turns of the event loop as a large file takes: at one a step, the checkpoint would be there hundreds of steps later. */
  const manyTurns: Fault = () => Effect.repeat(Effect.yieldNow, { times: 20 })

  test(
    "is there some steps later, though steps keep the thread",
    () =>
      withFiles(
        Effect.gen(function* () {
          const run = folder()
          const { session, checkpoints } = yield* open(run, { checkpointEvery: 100 })
          yield* takeSteps(session, 4)
          yield* checkpoints.afterStep({ step: 4, loss: 1 })
          let steps = 0
          while (steps < 50 && stepsIn(run)[0] !== checkpointName(4)) {
            for (const began = performance.now(); performance.now() - began < 200; );
            yield* takeSteps(session, 1)
            yield* checkpoints.afterStep()
            steps++
          }
          expect(steps).toBeLessThan(50)
        }).pipe(Effect.provide(faultyFiles(manyTurns)))
      ),
    30_000
  )

  test(
    "is waited for where the one before is not written yet",
    () =>
      withFiles(
        Effect.gen(function* () {
          const run = folder()
          const { session, checkpoints } = yield* open(run, { checkpointEvery: 1 })
          yield* takeSteps(session, 1)
          yield* checkpoints.afterStep()
          yield* takeSteps(session, 1)
          yield* checkpoints.afterStep()
          expect(stepsIn(run)).toContain(checkpointName(1))
        }).pipe(Effect.provide(faultyFiles(writesIn(SLOW))))
      ),
    20_000
  )

  test(
    "who stops waiting for it does not stop it, and who saves again waits for its end",
    () =>
      withFiles(
        Effect.gen(function* () {
          const run = folder()
          const { session, checkpoints } = yield* open(run)
          yield* takeSteps(session, 2)
          const saving = yield* Effect.forkChild(checkpoints.save)
          yield* Effect.sleep(SLOW)
          yield* Fiber.interrupt(saving)
          expect(checkpoints.saved()).toBe(0)
          yield* checkpoints.save
          expect(checkpoints.saved()).toBe(2)
          expect(stepsIn(run)).toEqual(named(2))
        }).pipe(Effect.provide(faultyFiles(writesIn(SLOW))))
      ),
    20_000
  )

  test(
    "is written to the end where the run ends meanwhile",
    () =>
      withFiles(
        Effect.gen(function* () {
          const run = folder()
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { session, checkpoints } = yield* open(run)
              yield* takeSteps(session, 2)
              yield* checkpoints.afterStep()
            })
          )
          expect(stepsIn(run)).toEqual(named(2))
        }).pipe(Effect.provide(faultyFiles(writesIn(SLOW))))
      ),
    20_000
  )
})

describe("a write that fails", () => {
  /** Full while `full()`; the first file of a checkpoint still fits. */
  const fullDisk =
    (full: () => boolean): Fault =>
    (operation, path) =>
      full() && operation === "write" && path.includes("state.json") ? Effect.fail(noSpace(path)) : Effect.void

  test("is told with the next one, leaves no part behind, and the ones before stand", () =>
    withFiles(
      Effect.gen(function* () {
        const run = folder()
        let full = false
        yield* Effect.gen(function* () {
          const { session, checkpoints } = yield* open(run)
          yield* takeSteps(session, 2)
          yield* checkpoints.save
          full = true
          yield* takeSteps(session, 2)
          yield* checkpoints.afterStep()
          yield* takeSteps(session, 2)
          const error = yield* Effect.flip(checkpoints.afterStep())
          expect(error.message).toBe(
            `cannot write ${join(run, "checkpoints", checkpointName(4))}: no space is left on the device`
          )
          expect(stepsIn(run)).toEqual(named(2))
          expect(checkpoints.saved()).toBe(2)
          // never "saved" because it was tried: the state of the same step is written when there is space
          expect((yield* Effect.flip(checkpoints.save))._tag).toBe("FileError")
          full = false
          yield* checkpoints.save
          expect(checkpoints.saved()).toBe(6)
          expect(stepsIn(run)).toEqual(named(2, 6))
        }).pipe(Effect.provide(faultyFiles(fullDisk(() => full))))
      })
    ))

  test("what was read off a device that failed is not written", () =>
    withFiles(
      Effect.gen(function* () {
        const run = folder()
        const lost = new DeviceError({ device: "webgpu", site: "step 2", reason: "the device was lost", remedy: "" })
        const { session, checkpoints } = yield* open(run, { sync: Effect.fail(lost) })
        yield* takeSteps(session, 2)
        expect(yield* Effect.flip(checkpoints.save)).toBe(lost)
        expect(stepsIn(run)).toEqual([])
        expect(checkpoints.saved()).toBe(0)
      })
    ))
})

describe("going on", () => {
  /** Checkpoints of steps 2, 4 and 6. */
  const three = (run: string) =>
    Effect.gen(function* () {
      const { session, checkpoints } = yield* open(run, { keep: 3 })
      for (let i = 0; i < 3; i++) {
        yield* takeSteps(session, 2)
        yield* checkpoints.save
      }
      return join(run, "checkpoints")
    }).pipe(Effect.scoped)

  test("removes old ones that the run before did not get round to", () =>
    withFiles(
      Effect.gen(function* () {
        const run = folder()
        const { checkpoint } = yield* newestCheckpoint(yield* three(run))
        const session = yield* toySession(adamw)
        yield* openCheckpoints(session, { ...toyRun(run), checkpoint }, { checkpointEvery: 2, keep: 2 })
        expect(stepsIn(run)).toEqual(named(4, 6))
      })
    ))

  test("from the newest; names that are no checkpoint's are nothing", () =>
    withFiles(
      Effect.gen(function* () {
        const checkpoints = yield* three(folder())
        cpSync(join(checkpoints, checkpointName(6)), join(checkpoints, `${checkpointName(8)}.tmp-123`), {
          recursive: true
        })
        cpSync(join(checkpoints, checkpointName(6)), join(checkpoints, "step-9"), { recursive: true })
        const { checkpoint, damaged } = yield* newestCheckpoint(checkpoints)
        expect(checkpoint?.record.step).toBe(6)
        expect(damaged).toEqual([])
        expect(yield* newestCheckpoint(folder())).toEqual({ checkpoint: null, damaged: [] })
      })
    ))

  test("from the one before a damaged one, which is set aside and said", () =>
    withFiles(
      Effect.gen(function* () {
        const checkpoints = yield* three(folder())
        truncateSync(join(checkpoints, checkpointName(6), "state.safetensors"), 500)
        writeFileSync(join(checkpoints, checkpointName(4), "state.json"), "{}")
        const found = yield* newestCheckpoint(checkpoints)
        expect(found.checkpoint?.record.step).toBe(2)
        expect(found.damaged.map(({ message }) => message)).toEqual([
          expect.stringMatching(/step-00000006 is damaged: state\.safetensors/),
          expect.stringMatching(/step-00000004 is damaged: state\.json/)
        ])
        yield* setAside(found)
        expect(readdirSync(checkpoints).sort()).toEqual([
          checkpointName(2),
          `${checkpointName(4)}.damaged`,
          `${checkpointName(6)}.damaged`
        ])
      })
    ))

  test("where none is whole there is none, and every one is said", () =>
    withFiles(
      Effect.gen(function* () {
        const checkpoints = yield* three(folder())
        for (const step of [2, 4, 6]) truncateSync(join(checkpoints, checkpointName(step), "SHA256SUMS"), 0)
        const { checkpoint, damaged } = yield* newestCheckpoint(checkpoints)
        expect(checkpoint).toBeNull()
        expect(damaged.length).toBe(3)
      })
    ))

  test("what interrupted writes left is cleared, and nothing else", () =>
    withFiles(
      Effect.gen(function* () {
        const run = folder()
        const checkpoints = yield* three(run)
        const writer = Bun.spawn(["sleep", "60"])
        const merged = `merged.tmp-${writer.pid}`
        const { pid: gone } = Bun.spawnSync(["true"])
        const begun = join(checkpoints, `${checkpointName(8)}.tmp-${gone}`)
        // in a container that was started again, a number that is another process's now
        const numbered = join(checkpoints, `${checkpointName(10)}.tmp-${writer.pid}`)
        for (const unfinished of [begun, numbered, join(run, merged)]) mkdirSync(unfinished)
        writeFileSync(join(begun, "state.json"), "{")
        for (const pid of [gone, process.pid]) writeFileSync(join(run, `plan.json.tmp-${pid}`), "{")
        writeFileSync(join(run, "plan.json"), "{}")
        const clear = clearTemporary([checkpoints, join(run, "adapter")], run)
        yield* clear
        // what a process that is alive writes is no leftover: a merge beside the run
        expect(readdirSync(run).sort()).toEqual(["checkpoints", merged, "plan.json"])
        expect(readdirSync(checkpoints).sort()).toEqual([...named(2, 4, 6)])
        writer.kill("SIGKILL")
        yield* Effect.promise(() => writer.exited)
        yield* clear
        expect(readdirSync(run).sort()).toEqual(["checkpoints", "plan.json"])
      })
    ))
})
