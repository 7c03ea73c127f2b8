/**
 * Where a study keeps its queue and its progress: `sqlite://FILE` for processes of one machine, `postgres://…` for several machines.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { sqliteLayer } from "./sqlite.ts"

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
  "expected sqlite://FILE, or postgres://USER:PASSWORD@HOST:PORT/DATABASE for workers on several machines"

/** A `--storage` as it was written. */
export const parseStorage = (written: string): Result.Result<Storage, StorageError> => {
  const refuse = (reason: string) =>
    Result.fail(new StorageError({ storage: withoutPassword(written), reason: `${reason}; ${expected}` }))
  const [scheme, rest] = written.split(/:\/\/(.*)/s)
  if (rest === undefined) return refuse("found no scheme")
  if (scheme === "sqlite") return rest === "" ? refuse("found no file") : Result.succeed({ kind: "sqlite", file: rest })
  if (scheme !== "postgres" && scheme !== "postgresql") return refuse(`found "${scheme}"`)
  const url = URL.canParse(written) ? new URL(written) : undefined
  if (url === undefined || url.hostname === "") return refuse("found no host")
  if (url.pathname.length < 2) return refuse("found no database")
  return Result.succeed({ kind: "postgres", url: Redacted.make(written) })
}

/** For files and messages. */
export const withoutPassword = (written: string): string => written.replace(/^(\w+:\/\/[^/@]*?):[^/]*@/, "$1@")

/** As `--storage` takes it; holds the password. */
export const writtenStorage = (storage: Storage): string =>
  storage.kind === "sqlite" ? `sqlite://${storage.file}` : Redacted.value(storage.url)

/** Where the URL has none: as PostgreSQL's own tools take it, so that it need not stand on a command line. */
const passwordFromEnvironment = () => {
  const password = process.env["PGPASSWORD"]
  return password === undefined ? {} : { password: Redacted.make(password) }
}

/** Opens the database and asks it something. PostgreSQL's client is loaded where it is asked for. */
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
  // PostgreSQL is connected to when the first statement comes
  const answering = Layer.effectDiscard(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`)).pipe(
    Layer.provideMerge(opened)
  )
  return Layer.catch(answering, (error) => Layer.effect(SqlClient.SqlClient, Effect.fail(storageError(storage, error))))
}

/** What the database said, beside which one it was. */
export const storageError = (storage: Storage, error: SqlError): StorageError =>
  new StorageError({
    storage: withoutPassword(writtenStorage(storage)),
    reason: `${reasonOf(error)}; is it there, and may it be written?`
  })

export const reasonOf = (error: unknown): string => {
  const inner = (error as { readonly cause?: unknown; readonly reason?: { readonly cause?: unknown } }) ?? {}
  const cause = inner.reason?.cause ?? inner.cause
  return cause instanceof Error ? cause.message : error instanceof Error ? error.message : String(error)
}
