/**
 * The coordinator of a study: runs its workflow, keeps workers on this machine, and follows the results of all workers wherever they
 * are. A lock on the study's folder ensures that there is one per study. It may be killed at any moment: started again, it continues.
 */

import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { counted } from "../boundary/index.ts"
import { type GuardedFolder, within } from "../files/index.ts"
import { lockRun } from "../output/index.ts"
import { countTrials } from "./ask.ts"
import { openDatabase, openQueue, patient, type StudyDatabase, type TrialQueue } from "./database.ts"
import { engineLayer, type RunTrial, StudyFlow, studyLayer } from "./flow.ts"
import type { LiveTable } from "./live.ts"
import { type Program, runOwn } from "./own-process.ts"
import { reasonOf } from "./storage.ts"
import type { TrialResult } from "./study.ts"
import { type StudyFolder, writeResults } from "./study-folder.ts"
import type { PickRates } from "./trials.ts"

export class WorkerFailed extends Schema.TaggedError<WorkerFailed>()("WorkerFailed", {
  reason: Schema.String
}) {
  override get message() {
    return `the study stopped, because a worker failed; finished trials are kept: ${this.reason}`
  }
}

export interface Coordinated {
  /** number of workers on this machine; 0: other machines do the work */
  readonly workers: number
  /** threads of each trial on this machine; undefined: the plan's */
  readonly threads: number | undefined
  /** number of processes of each trial on this machine */
  readonly ranks: number
  readonly program: Program
  /** additional environment of the workers, such as the storage */
  readonly env: Readonly<Record<string, string>>
  readonly pick: PickRates
  readonly live: LiveTable
}

const LOOK = "500 millis"
const SHOW = "1 second"

/** Streams the results of all workers as they arrive. Calls `away` if the database does not answer. */
const followResults = (
  database: StudyDatabase,
  folder: string,
  guard: GuardedFolder,
  away: (error: SqlError) => Effect.Effect<void>
) => {
  const results = new Map<string, TrialResult>()
  const awaited = new Map<string, Deferred.Deferred<TrialResult>>()
  const take = (fresh: ReadonlyArray<TrialResult>) =>
    Effect.forEach(
      fresh.filter(({ trial }) => !results.has(trial.id)),
      (result) =>
        Effect.suspend(() => {
          results.set(result.trial.id, result)
          const waiting = awaited.get(result.trial.id)
          return waiting === undefined ? Effect.void : Deferred.succeed(waiting, result)
        }),
      { discard: true }
    )
  const look = Effect.gen(function* () {
    if ((yield* patient(Effect.tapError(database.counted, away))) === results.size) return
    yield* take(yield* patient(database.results))
    yield* writeResults(folder, false, [...results.values()]).pipe(within(guard))
  })
  return {
    results: () => [...results.values()],
    of: (trial: string) =>
      Effect.suspend(() => {
        const result = results.get(trial)
        if (result !== undefined) return Effect.succeed(result)
        const waiting = awaited.get(trial) ?? Deferred.makeUnsafe<TrialResult>()
        awaited.set(trial, waiting)
        return Deferred.await(waiting)
      }),
    look,
    forever: Effect.forever(Effect.andThen(look, Effect.sleep(LOOK)))
  }
}

/** Offers a trial to the queue, which holds it once however often it is offered, and waits for its result. */
const offering =
  (queue: TrialQueue, results: ReturnType<typeof followResults>): RunTrial =>
  (trial) =>
    queue.offer(trial, { id: trial.id }).pipe(patient, Effect.orDie, Effect.andThen(results.of(trial.id)))

/** Maximum number of restarts of one worker without a new result in between. Kills are survivable; a worker that cannot run is not. */
const DEATHS = 20

/** Keeps one worker alive. Fails with the worker's own message if it gives up. */
const keepWorker = (folder: string, at: Coordinated, results: () => ReadonlyArray<TrialResult>) =>
  Effect.gen(function* () {
    const { program, threads, ranks, env, live } = at
    const threadFlags = threads === undefined ? [] : ["--threads", String(threads)]
    const args = ["compare", "--worker", "--out", folder, "--trial-ranks", String(ranks), ...threadFlags]
    let deaths = 0
    let resultsBefore = -1
    while (true) {
      const ended = yield* runOwn(program, args, () => Effect.void, env).pipe(
        Effect.mapError(({ message }) => new WorkerFailed({ reason: message }))
      )
      if (ended.code === 0) return yield* Effect.never // it found the study finished
      const errors = ended.stderr
        .join("\n")
        .replace(/^\s*ERROR\s*/, "")
        .trim()
      if (ended.code === 1) return yield* new WorkerFailed({ reason: errors })
      deaths = results().length === resultsBefore ? deaths + 1 : 1
      resultsBefore = results().length
      const how = ended.code === null ? "killed" : `ended with exit code ${ended.code}`
      if (deaths > DEATHS)
        return yield* new WorkerFailed({ reason: `it was ${how} ${deaths} times in a row\n${errors}` })
      yield* live.tell(`a worker was ${how}; a new one takes its place and resumes its trial from the checkpoint`)
      yield* Effect.sleep(LOOK)
    }
  })

/** Runs the study to its end and returns every result, in trial order. */
export const coordinate = ({ folder, study, portable }: StudyFolder, at: Coordinated) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const guard = yield* lockRun(folder)
    const { sweep, final, common } = countTrials(study)
    const fewest = study.strategy === "widening" ? "at least " : ""
    const most = `${fewest}${counted(sweep, "run")} to find the rates, at most ${final + common} on fresh seeds`
    // printed by the one process that has the folder's lock
    yield* at.live.tell(`${folder}: ${most}; ${counted(at.workers, "worker")} on this machine`)
    const database = yield* openDatabase(study.id)
    const queue = yield* openQueue(study.id)
    const relative = path.relative(process.cwd(), path.resolve(folder)) || "."
    yield* patient(database.announce({ study: portable, folder: relative }))
    let reported = 0
    const follower = followResults(database, folder, guard, (error) =>
      reported++ > 0
        ? Effect.void
        : at.live.tell(`the database does not respond (${reasonOf(error)}); retrying for a minute`)
    )
    yield* follower.look
    yield* at.live.begin(follower.results().length)
    const show = Effect.gen(function* () {
      const running = yield* patient(database.running)
      yield* at.live.show({ results: follower.results(), running, most: sweep + final + common })
    })
    const workers = Effect.forEach(Array.from({ length: at.workers }), () => keepWorker(folder, at, follower.results), {
      concurrency: "unbounded",
      discard: true
    })
    const flow = StudyFlow.execute({ study: study.id }).pipe(
      Effect.provide(
        studyLayer(study, offering(queue, follower), at.pick).pipe(Layer.provideMerge(engineLayer(study.id)))
      ),
      // the engine stores a failed workflow as failed, so its tables are cleared; the results are stored elsewhere
      Effect.tapCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.ignore(database.clear)))
    )
    const meanwhile = Effect.all(
      [follower.forever, Effect.forever(Effect.andThen(show, Effect.sleep(SHOW))), workers, Effect.never],
      { concurrency: "unbounded" }
    )
    const results = yield* Effect.raceFirst(flow, Effect.andThen(meanwhile, Effect.never))
    yield* show
    yield* at.live.end
    yield* writeResults(folder, true, results).pipe(within(guard))
    yield* patient(database.finish)
    yield* patient(database.clear)
    return results
  }).pipe(Effect.ensuring(at.live.end), Effect.scoped)
