/**
 * A study in a database: what is known of it to workers that have no folder of it, the results so far, and what runs just now.
 *
 *   compare_studies    id, the study as JSON, the folder for its runs, whether it is finished
 *   compare_results    study, trial, the result as JSON: written once, the first one stands
 *   compare_progress   study, trial, who runs it, the step it is at: for the eye alone
 *
 * The queue (`queue.ts`) and the workflow (`flow.ts`) have tables of their own beside these.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Study, TrialResult } from "./study.ts"

/** A trial that somebody works at. */
export interface Progress {
  readonly trial: string
  /** process and machine */
  readonly worker: string
  readonly step: number
  readonly steps: number
  readonly loss: number | null
  /** why it does not move, where it waits for something */
  readonly waiting: string | null
}

/** As the coordinator announces it. */
export interface AnnouncedStudy {
  readonly study: Study
  /** of its runs, relative to the working directory of whoever works on it */
  readonly folder: string
}

export interface StudyDatabase {
  /** Makes the study known. */
  readonly announce: (announced: AnnouncedStudy) => Effect.Effect<void, SqlError>
  readonly results: Effect.Effect<ReadonlyArray<TrialResult>, SqlError>
  /** How many there are. */
  readonly counted: Effect.Effect<number, SqlError>
  readonly has: (trial: string) => Effect.Effect<boolean, SqlError>
  /** The first result of a trial stands. */
  readonly record: (result: TrialResult) => Effect.Effect<void, SqlError>
  readonly report: (progress: Progress) => Effect.Effect<void, SqlError>
  readonly running: Effect.Effect<ReadonlyArray<Progress>, SqlError>
  readonly finish: Effect.Effect<void, SqlError>
  readonly isFinished: Effect.Effect<boolean, SqlError>
  /** Gives up what only a running study needs: its queue and the tables of its workflow. */
  readonly clear: Effect.Effect<void, SqlError>
}

export const QUEUE_TABLE = "compare_queue"
export const queueName = (study: string): string => `compare/${study}`

/** What the engine's tables of a study are called; it has those that are named here. */
export const enginePrefix = (study: string): string => `compare_${study}`
const engineTables = (study: string) =>
  ["replies", "messages", "migrations"].map((name) => `${enginePrefix(study)}_${name}`)

const resultJson = Schema.fromJsonString(TrialResult)
const studyJson = Schema.fromJsonString(Study)

/** Several processes may come first at the same time, which PostgreSQL answers with an error for all but one. */
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

/** The tables of one study. */
export const openDatabase = (id: string): Effect.Effect<StudyDatabase, SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    yield* created
    const sql = yield* SqlClient.SqlClient
    const written = Schema.encodeSync(resultJson)
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
          yield* sql`INSERT INTO compare_results (study, trial, result) VALUES (${id}, ${result.trial.id}, ${written(result)})
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

/** The study that was begun first of those that are not finished. */
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
