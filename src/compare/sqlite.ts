/**
 * An Effect `SqlClient` over `node:sqlite`, which Bun, Deno and Node all have: a file that several processes of one machine share.
 *
 * Write-ahead logging lets readers and one writer go on at the same time; a transaction takes the write lock when it begins, so that
 * two that read first and write later wait for each other instead of failing.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"

/** How long a process waits for another one's transaction: those here take milliseconds, a busy machine takes its time. */
const BUSY = 15_000 // milliseconds

/** `node:sqlite` calls SQLite's own number `errcode`; the classification looks for `errno`. */
const failed = (operation: string, cause: unknown) => {
  const { errcode } = cause as { readonly errcode?: number }
  const known = cause instanceof Error && errcode !== undefined ? Object.assign(cause, { errno: errcode }) : cause
  return new SqlError({ reason: classifySqliteError(known, { message: "SQLite failed", operation }) })
}

const open = (file: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const db = new DatabaseSync(file)
        db.exec(`PRAGMA busy_timeout = ${BUSY}`)
        db.exec("PRAGMA journal_mode = WAL")
        db.exec("PRAGMA synchronous = NORMAL")
        return db
      },
      catch: (cause) => failed("open", cause)
    }),
    (db) => Effect.sync(() => db.close())
  )

const connectionOf = (db: DatabaseSync): Connection => {
  const attempt = <A>(operation: string, sql: string, run: (statement: StatementSync) => A) =>
    Effect.withFiber<A, SqlError>((fiber) => {
      try {
        const statement = db.prepare(sql)
        statement.setReadBigInts(fiber.getRef(SqlClient.SafeIntegers))
        return Effect.succeed(run(statement))
      } catch (cause) {
        return Effect.fail(failed(operation, cause))
      }
    })
  const rows = (operation: string, sql: string, params: ReadonlyArray<unknown>) =>
    attempt(operation, sql, (statement) => statement.all(...params.map(bound)) as ReadonlyArray<object>)
  const values = (sql: string, params: ReadonlyArray<unknown>) =>
    attempt("executeValues", sql, (statement) => {
      statement.setReturnArrays(true)
      return statement.all(...params.map(bound)) as unknown as ReadonlyArray<ReadonlyArray<unknown>>
    })
  const execute: Connection["execute"] = (sql, params, transform) => {
    const found = rows("execute", sql, params)
    return transform === undefined ? found : Effect.map(found, transform)
  }
  return {
    execute,
    executeUnprepared: execute,
    executeRaw: (sql, params) => rows("executeRaw", sql, params),
    executeValues: values,
    executeValuesUnprepared: values,
    executeStream: (sql, params, transform) => Stream.fromIterableEffect(execute(sql, params, transform))
  }
}

/** SQLite knows no booleans and no dates. */
const bound = (value: unknown): SQLInputValue =>
  typeof value === "boolean"
    ? Number(value)
    : value instanceof Date
      ? value.toISOString()
      : ((value as SQLInputValue | undefined) ?? null)

/** The database in `file`, which is made where it is missing. */
export const sqliteLayer = (file: string): Layer.Layer<SqlClient.SqlClient, SqlError> =>
  Layer.effect(
    SqlClient.SqlClient,
    Effect.gen(function* () {
      const db = yield* open(file)
      const acquirers = SqlClient.makeSqliteAcquirers({
        connection: Effect.succeed(connectionOf(db)),
        semaphore: yield* Semaphore.make(1),
        isTransaction: () => db.isTransaction
      })
      return yield* SqlClient.make({
        ...acquirers,
        compiler: Statement.makeCompilerSqlite(),
        driver: "node:sqlite",
        beginTransaction: "BEGIN IMMEDIATE",
        spanAttributes: [["db.system.name", "sqlite"]]
      })
    })
  ).pipe(Layer.provide(Reactivity.layer))
