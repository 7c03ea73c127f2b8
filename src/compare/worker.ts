/**
 * A worker: takes trials from a study's queue, one at a time, and stores their results. Any number of workers may run, on any number of machines
 * that share the database and have the study's files under the same relative paths.
 */
import { hostname } from "node:os"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schedule from "effect/Schedule"
import { fileError, guardFolder, within } from "../files/index.ts"
import { oldestOpenStudy, openDatabase, openQueue, patient, type StudyDatabase } from "./database.ts"
import type { Trial } from "./study.ts"
import { type Heard, runTrial, type Workplace } from "./trial-run.ts"

const LOOK = "1 second"

const heardBy = (database: StudyDatabase, { id }: Trial): Heard => {
  const worker = `${process.pid}@${hostname()}`
  let at = { step: 0, steps: 0, loss: null as number | null }
  // for display only: a failure does not matter
  const report = (waiting: string | null) => Effect.ignore(database.report({ trial: id, worker, ...at, waiting }))
  return {
    step: (step, steps, loss) =>
      Effect.suspend(() => {
        at = { step, steps, loss }
        return report(null)
      }),
    waiting: report
  }
}

/** Works on one study until it is finished. */
export const serveStudy = (at: Workplace) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    yield* fs.makeDirectory(at.folder, { recursive: true })
    const guard = yield* guardFolder(at.folder)
    const database = yield* openDatabase(at.study.id)
    const queue = yield* openQueue(at.study.id)
    const runNext = queue.take((trial) =>
      Effect.gen(function* () {
        // a worker may have been killed between storing the result and acknowledging the trial
        if (yield* patient(database.has(trial.id))) return
        const listener = heardBy(database, trial)
        yield* listener.step(0, 0, null)
        const result = yield* runTrial(at, trial, listener).pipe(within(guard))
        yield* patient(database.record(result))
      })
    )
    const finished = patient(database.isFinished).pipe(
      Effect.repeat({ until: (is) => is, schedule: Schedule.spaced(LOOK) }),
      Effect.asVoid
    )
    yield* Effect.raceFirst(Effect.forever(runNext), finished)
  }).pipe(
    Effect.scoped,
    Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", at.folder)(error)))
  )

/** Works on the open studies of the database, one after another, forever. Calls `tell` if no study is open. */
export const serveDatabase = (
  work: Pick<Workplace, "program" | "threads" | "ranks">,
  tell: (message: string) => Effect.Effect<void>
) =>
  Effect.gen(function* () {
    let reported = false
    while (true) {
      const open = yield* patient(oldestOpenStudy)
      if (open === undefined) {
        if (!reported) yield* tell("no open study; waiting for one (press Ctrl-C to stop this worker)")
        reported = true
        yield* Effect.sleep(LOOK)
        continue
      }
      reported = false
      yield* tell(`working on ${open.study.name} in ${open.folder}`)
      yield* serveStudy({ ...work, ...open })
    }
  })
