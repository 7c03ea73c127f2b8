/** Storage of a study's queue and progress: `sqlite://FILE` for processes of one machine, `postgres://…` for several machines. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import { messageOf, withoutSecrets } from "../boundary/index.ts"

export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  storage: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `storage ${this.storage}: ${this.reason}`
  }
}

export type Storage =
  | { readonly kind: "sqlite"; readonly file: string }
  | { readonly kind: "postgres"; readonly url: Redacted.Redacted }

const expected =
  "expected sqlite://FILE, or postgres://USER:PASSWORD@HOST:PORT/DATABASE for workers on several machines; in a password, / is written %2F, @ %40, : %3A, ? %3F and # %23"

/** Parses the value of `--storage`. */
export const parseStorage = (address: string): Result.Result<Storage, StorageError> => {
  const refuse = (reason: string) =>
    Result.fail(new StorageError({ storage: withoutSecrets(address), reason: `${reason}; ${expected}` }))
  const [, scheme, rest] = /^([a-z][a-z\d+.-]*):\/\/(.*)$/is.exec(address) ?? []
  if (rest === undefined) return refuse("found no scheme")
  if (scheme === "sqlite") return rest === "" ? refuse("found no file") : Result.succeed({ kind: "sqlite", file: rest })
  if (scheme !== "postgres" && scheme !== "postgresql") return refuse(`found "${scheme}"`)
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || url.hostname === "") return refuse("found no host")
  if (url.pathname.length < 2) return refuse("found no database")
  // the parser read a part of the password as the host
  if (url.pathname.includes("@")) return refuse("found an @ after the host")
  return Result.succeed({ kind: "postgres", url: Redacted.make(address) })
}

/** Returns the address without secrets, for files and messages. */
export const shownStorage = (storage: Storage): string => withoutSecrets(writtenStorage(storage))

/** Returns the address in the format of `--storage`, with the password. */
export const writtenStorage = (storage: Storage): string =>
  storage.kind === "sqlite" ? `sqlite://${storage.file}` : Redacted.value(storage.url)

/** Returns PGPASSWORD for a URL without a password, as PostgreSQL's own tools do, so that the password need not be on a command line. */
const passwordFromEnvironment = () => {
  const password = process.env["PGPASSWORD"]
  return password === undefined ? {} : { password: Redacted.make(password) }
}

/** Opens the database and checks it with a query. Loads PostgreSQL's client only if it is needed. */
export const storageLayer = (storage: Storage): Layer.Layer<SqlClient.SqlClient, StorageError> => {
  const opened: Layer.Layer<SqlClient.SqlClient, SqlError> =
    storage.kind === "sqlite"
      ? sqliteLayer(storage.file)
      : Layer.unwrap(
          Effect.map(
            Effect.promise(() => import("@effect/sql-pg/PgClient")),
            (PgClient) =>
              PgClient.layer({
                url: storage.url,
                applicationName: "tfjs-lora-pro compare",
                connectTimeout: "10 seconds",
                ...(new URL(Redacted.value(storage.url)).password === "" ? passwordFromEnvironment() : {})
              })
          )
        )
  // the first statement connects to PostgreSQL
  const answering = Layer.effectDiscard(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`)).pipe(
    Layer.provideMerge(opened)
  )
  return Layer.catch(answering, (error) => Layer.effect(SqlClient.SqlClient, Effect.fail(storageError(storage, error))))
}

/** Wraps the database's error with the name of the storage. */
export const storageError = (storage: Storage, error: SqlError): StorageError =>
  new StorageError({
    storage: shownStorage(storage),
    reason: `${reasonOf(error)}; check that it exists and can be written`
  })

export const reasonOf = (error: unknown): string => {
  const inner = (error as { readonly cause?: unknown; readonly reason?: { readonly cause?: unknown } }) ?? {}
  const cause = inner.reason?.cause ?? inner.cause
  return cause instanceof Error ? cause.message : messageOf(error)
}

/** Maximum time that a process waits for another's transaction. Transactions take milliseconds, more on a busy machine. */
const BUSY = 15_000 // milliseconds

/** Wraps an error. `node:sqlite` names SQLite's error number `errcode`; the classification expects `errno`. */
const failed = (operation: string, cause: unknown) => {
  const { errcode } = cause as { readonly errcode?: number }
  const error = cause instanceof Error && errcode !== undefined ? Object.assign(cause, { errno: errcode }) : cause
  return new SqlError({ reason: classifySqliteError(error, { message: "SQLite failed", operation }) })
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
    const result = rows("execute", sql, params)
    return transform === undefined ? result : Effect.map(result, transform)
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

/** Converts values for SQLite, which has no booleans and no dates. */
const bound = (value: unknown): SQLInputValue =>
  typeof value === "boolean"
    ? Number(value)
    : value instanceof Date
      ? value.toISOString()
      : ((value as SQLInputValue | undefined) ?? null)

/**
 * Layer of an Effect `SqlClient` over `node:sqlite`, which Bun, Deno and Node all have: a database in a file, created if it is missing, that
 * several processes of one machine share. With write-ahead logging, readers and one writer work at the same time. A transaction takes the write
 * lock when it begins, so that two that read first and write later wait for each other instead of failing.
 */
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
