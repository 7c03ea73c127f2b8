/**
 * A study in a database: what workers without its folder need, the results so far, and the running trials.
 *
 *   compare_studies    id, the study as JSON, the folder for its runs, whether it is finished
 *   compare_results    study, trial, the result as JSON: written once, the first one counts
 *   compare_progress   study, trial, the worker that runs it, the step it is at: for display only
 *
 * The queue below and the workflow (`flow.ts`) have additional tables of their own.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Study, Trial, TrialResult } from "./study.ts"

/** Progress of a running trial. */
export interface Progress {
  readonly trial: string
  /** process id and host of the worker */
  readonly worker: string
  readonly step: number
  readonly steps: number
  readonly loss: number | null
  /** why the trial waits; null: it does not wait */
  readonly waiting: string | null
}

/** A study, as the coordinator announces it. */
interface AnnouncedStudy {
  readonly study: Study
  /** folder of its runs, relative to the working directory of each worker */
  readonly folder: string
}

export interface StudyDatabase {
  /** Adds the study to the database. */
  readonly announce: (announced: AnnouncedStudy) => Effect.Effect<void, SqlError>
  readonly results: Effect.Effect<ReadonlyArray<TrialResult>, SqlError>
  /** Returns the number of results. */
  readonly counted: Effect.Effect<number, SqlError>
  readonly has: (trial: string) => Effect.Effect<boolean, SqlError>
  /** Stores a trial's result. If it has one already, the first one counts. */
  readonly record: (result: TrialResult) => Effect.Effect<void, SqlError>
  readonly report: (progress: Progress) => Effect.Effect<void, SqlError>
  readonly running: Effect.Effect<ReadonlyArray<Progress>, SqlError>
  readonly finish: Effect.Effect<void, SqlError>
  readonly isFinished: Effect.Effect<boolean, SqlError>
  /** Drops what only a running study needs: its queue and the tables of its workflow. */
  readonly clear: Effect.Effect<void, SqlError>
}

const QUEUE_TABLE = "compare_queue"
const queueName = (study: string): string => `compare/${study}`

/** Returns the prefix of the workflow engine's tables for a study. */
export const enginePrefix = (study: string): string => `compare_${study}`
const engineTables = (study: string) =>
  ["replies", "messages", "migrations"].map((name) => `${enginePrefix(study)}_${name}`)

/** Retries database operations for a minute, so that a short outage ends no study and loses no result. */
export const patient = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, { times: 60, schedule: Schedule.spaced("1 second") })

const resultJson = Schema.fromJsonString(TrialResult)
const studyJson = Schema.fromJsonString(Study)

/** Creates the tables. Several processes may do so at the same time, which PostgreSQL answers with an error for all but one. */
const created = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS compare_studies
    (id VARCHAR(32) PRIMARY KEY, study TEXT NOT NULL, folder TEXT NOT NULL, finished INTEGER NOT NULL, began INTEGER NOT NULL)`
  yield* sql`CREATE TABLE IF NOT EXISTS compare_results
    (study VARCHAR(32) NOT NULL, trial VARCHAR(200) NOT NULL, result TEXT NOT NULL, PRIMARY KEY (study, trial))`
  yield* sql`CREATE TABLE IF NOT EXISTS compare_progress
    (study VARCHAR(32) NOT NULL, trial VARCHAR(200) NOT NULL, worker TEXT NOT NULL, step INTEGER NOT NULL, steps INTEGER NOT NULL,
     loss DOUBLE PRECISION, waiting TEXT, PRIMARY KEY (study, trial))`
}).pipe(Effect.retry({ times: 5, schedule: Schedule.spaced("200 millis") }))

/** Opens the tables of one study. */
export const openDatabase = (id: string): Effect.Effect<StudyDatabase, SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    yield* created
    const sql = yield* SqlClient.SqlClient
    const encode = Schema.encodeSync(resultJson)
    const read = Schema.decodeSync(resultJson)
    return {
      announce: ({ study, folder }) =>
        sql`INSERT INTO compare_studies (id, study, folder, finished, began)
          VALUES (${id}, ${Schema.encodeSync(studyJson)(study)}, ${folder}, 0, ${Math.floor(Date.now() / 1000)})
          ON CONFLICT (id) DO UPDATE SET study = excluded.study, folder = excluded.folder`.pipe(Effect.asVoid),
      results: Effect.map(
        sql<{ readonly result: string }>`SELECT result FROM compare_results WHERE study = ${id}`,
        (rows) => rows.map(({ result }) => read(result))
      ),
      counted: Effect.map(
        sql<{ readonly n: number | string }>`SELECT COUNT(*) AS n FROM compare_results WHERE study = ${id}`,
        (rows) => Number(rows[0]!.n)
      ),
      has: (trial) =>
        Effect.map(
          sql`SELECT trial FROM compare_results WHERE study = ${id} AND trial = ${trial}`,
          (rows) => rows.length > 0
        ),
      record: (result) =>
        Effect.gen(function* () {
          yield* sql`INSERT INTO compare_results (study, trial, result) VALUES (${id}, ${result.trial.id}, ${encode(result)})
            ON CONFLICT (study, trial) DO NOTHING`
          yield* sql`DELETE FROM compare_progress WHERE study = ${id} AND trial = ${result.trial.id}`
        }),
      report: ({ trial, worker, step, steps, loss, waiting }) =>
        sql`INSERT INTO compare_progress (study, trial, worker, step, steps, loss, waiting)
          VALUES (${id}, ${trial}, ${worker}, ${step}, ${steps}, ${loss}, ${waiting})
          ON CONFLICT (study, trial) DO UPDATE SET worker = excluded.worker, step = excluded.step, steps = excluded.steps,
            loss = excluded.loss, waiting = excluded.waiting`.pipe(Effect.asVoid),
      running: sql<Progress>`SELECT trial, worker, step, steps, loss, waiting FROM compare_progress
        WHERE study = ${id} ORDER BY trial`,
      finish: sql`UPDATE compare_studies SET finished = 1 WHERE id = ${id}`.pipe(Effect.asVoid),
      isFinished: Effect.map(
        sql<{ readonly finished: number }>`SELECT finished FROM compare_studies WHERE id = ${id}`,
        (rows) => Number(rows[0]?.finished ?? 0) === 1
      ),
      clear: Effect.gen(function* () {
        yield* sql`DELETE FROM ${sql(QUEUE_TABLE)} WHERE queue_name = ${queueName(id)}`
        yield* sql`DELETE FROM compare_progress WHERE study = ${id}`
        yield* Effect.forEach(engineTables(id), (table) => sql`DROP TABLE IF EXISTS ${sql(table)}`)
      })
    }
  })

/** Returns the oldest study that is not finished, or undefined. */
export const oldestOpenStudy: Effect.Effect<AnnouncedStudy | undefined, SqlError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    yield* created
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly study: string; readonly folder: string }>`
      SELECT study, folder FROM compare_studies WHERE finished = 0 ORDER BY began, id LIMIT 1`
    const first = rows[0]
    return first === undefined ? undefined : { study: Schema.decodeSync(studyJson)(first.study), folder: first.folder }
  }
)

/** Interval of lock renewals. The worker is never too busy for them: training is a separate process. */
const RENEWAL = "3 seconds"
/** Time after which a lock that was not renewed expires. A worker that lost its lock and still works is harmless: a run folder has its own lock. */
const EXPIRATION = "10 seconds"

/** Maximum attempts per trial. Every killed worker uses up an attempt; only a result ends a trial. */
const ATTEMPTS = 1_000_000

export const queueLayer = PersistedQueue.layer.pipe(
  Layer.provide(
    PersistedQueue.layerStoreSql({
      tableName: QUEUE_TABLE,
      pollInterval: "500 millis",
      lockRefreshInterval: RENEWAL,
      lockExpiration: EXPIRATION
    })
  )
)

/**
 * Opens the queue of a study's trials. The process that takes a trial holds a lock on it while it lives; a lock that is not renewed expires after
 * `EXPIRATION`. Delivery is at least once: if a worker is killed, another one takes its trial, or finds it done if the worker was killed between
 * result and acknowledgement. The trial's id is its key, also when it is done, so offering it twice has no effect.
 */
export const openQueue = (study: string) =>
  PersistedQueue.make({
    name: queueName(study),
    schema: Trial,
    maxAttempts: ATTEMPTS,
    retrySchedule: Schedule.spaced("1 second")
  })

export type TrialQueue = Effect.Success<ReturnType<typeof openQueue>>
