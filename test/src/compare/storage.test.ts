/** Where a study is kept: URLs, SQLite under several writers, the queue's promises, and results that stand once. */
import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import { oldestOpenStudy, openDatabase, openQueue, queueLayer } from "../../../src/compare/database.ts"
import { parseStorage, shownStorage, sqliteLayer, writtenStorage } from "../../../src/compare/storage.ts"
import type { Trial } from "../../../src/compare/study.ts"
import { failedResult } from "../../../src/compare/trial-run.ts"
import { exampleStudy } from "./study-example.ts"

const folder = mkdtempSync(join(tmpdir(), "tfjs-lora-pro-storage-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string) => join(folder, `${name}.sqlite`)

const onFile = <A, E>(name: string, effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.runPromise(effect.pipe(Effect.provide(sqliteLayer(file(name)))))

const trial = (id: string): Trial => ({
  id,
  stage: "sweep",
  method: "lora",
  learningRate: 1e-3,
  rank: 8,
  seed: 0,
  share: 1
})

describe("a storage's URL", () => {
  test("SQLite: relative and absolute files", () => {
    expect(parseStorage("sqlite://a/b.db")).toEqual(Result.succeed({ kind: "sqlite", file: "a/b.db" }))
    expect(parseStorage("sqlite:///a/b.db")).toEqual(Result.succeed({ kind: "sqlite", file: "/a/b.db" }))
  })

  test("PostgreSQL: kept as it is, its password shown nowhere", () => {
    const parsed = Result.getOrThrow(parseStorage("postgres://me:secret@host/studies"))
    expect(writtenStorage(parsed)).toBe("postgres://me:secret@host/studies")
    expect(JSON.stringify(parsed)).not.toContain("secret")
    expect(shownStorage(parsed)).toBe("postgres://***@host/studies")
  })

  test.each(["studies.db", "mysql://host/x", "sqlite://", "postgres://host", "postgres://"])(
    "%s is refused with what is expected",
    (written) => {
      const refused = parseStorage(written)
      expect(Result.isFailure(refused) && refused.failure.message).toContain("expected sqlite://FILE")
    }
  )
})

describe("SQLite", () => {
  test("values come back as they went in", async () => {
    const rows = await onFile(
      "values",
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (a INTEGER, b TEXT, c DOUBLE PRECISION, d TEXT, e INTEGER)`
        yield* sql`INSERT INTO t VALUES (${2 ** 40}, ${"ü'\";"}, ${0.1}, ${null}, ${true})`
        return yield* sql`SELECT * FROM t`
      })
    )
    expect(rows.map((row) => ({ ...row }))).toEqual([{ a: 2 ** 40, b: "ü'\";", c: 0.1, d: null, e: 1 }])
  })

  test("a transaction that fails leaves nothing", async () => {
    const count = await onFile(
      "rollback",
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (a INTEGER)`
        yield* Effect.ignore(sql.withTransaction(Effect.andThen(sql`INSERT INTO t VALUES (1)`, Effect.fail("no"))))
        yield* sql.withTransaction(sql`INSERT INTO t VALUES (2)`)
        return yield* sql<{ readonly a: number }>`SELECT a FROM t`
      })
    )
    expect(count.map(({ a }) => a)).toEqual([2])
  })

  test("a key that is there already is known as such: concurrent migrations depend on it", async () => {
    const error = await onFile(
      "unique",
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER UNIQUE)`
        yield* sql`INSERT INTO t VALUES (1, 1)`
        return [
          yield* Effect.flip(sql`INSERT INTO t VALUES (2, 1)`),
          yield* Effect.flip(sql`INSERT INTO t VALUES (1, 2)`)
        ]
      })
    )
    expect(error.map(({ reason }) => reason._tag)).toEqual(["UniqueViolation", "ConstraintError"])
  })

  test("two processes that read, then write, lose no count", async () => {
    const count = <A extends object>(of: (sql: SqlClient.SqlClient) => Effect.Effect<ReadonlyArray<A>, unknown>) =>
      onFile("count", Effect.flatMap(SqlClient.SqlClient, of))
    await count((sql) => Effect.andThen(sql`CREATE TABLE t (n INTEGER)`, sql`INSERT INTO t VALUES (0)`))
    const child = () =>
      Bun.spawn([process.execPath, join(import.meta.dir, "count-child.ts"), file("count"), "200"]).exited
    expect(await Promise.all([child(), child()])).toEqual([0, 0])
    const [row] = await count((sql) => sql<{ readonly n: number }>`SELECT n FROM t`)
    expect(row!.n).toBe(400)
  })
})

describe("the queue", () => {
  const withQueue = <A, E>(
    name: string,
    effect: Effect.Effect<A, E, SqlClient.SqlClient | Layer.Success<typeof queueLayer>>
  ) =>
    Effect.runPromise(
      effect.pipe(Effect.provide(queueLayer.pipe(Layer.provideMerge(sqliteLayer(file(name))))), Effect.scoped)
    )

  test("a trial that is offered twice is taken once, also after it is done", async () => {
    const taken = await withQueue(
      "twice",
      Effect.gen(function* () {
        const queue = yield* openQueue("s")
        const seen: Array<string> = []
        const take = queue.take((one) => Effect.sync(() => void seen.push(one.id)))
        yield* queue.offer(trial("a"), { id: "a" })
        yield* queue.offer(trial("a"), { id: "a" })
        yield* take
        yield* queue.offer(trial("a"), { id: "a" })
        yield* queue.offer(trial("b"), { id: "b" })
        yield* take
        return seen
      })
    )
    expect(taken).toEqual(["a", "b"])
  })

  test("a trial whose worker is interrupted is there for the next one, at once", async () => {
    const attempts = await withQueue(
      "interrupted",
      Effect.gen(function* () {
        const queue = yield* openQueue("s")
        yield* queue.offer(trial("a"), { id: "a" })
        yield* queue.take(() => Effect.never).pipe(Effect.timeoutOption("1 second"))
        return yield* queue.take((_, { attempts }) => Effect.succeed(attempts))
      })
    )
    expect(attempts).toBe(1)
  })

  test("studies do not see each other's trials", async () => {
    const seen = await withQueue(
      "apart",
      Effect.gen(function* () {
        const [one, other] = [yield* openQueue("one"), yield* openQueue("other")]
        yield* one.offer(trial("a"), { id: "a" })
        yield* other.offer(trial("b"), { id: "b" })
        return yield* other.take((taken) => Effect.succeed(taken.id))
      })
    )
    expect(seen).toBe("b")
  })
})

describe("results", () => {
  test("the first result of a trial stands; its progress goes", async () => {
    const seen = await onFile(
      "results",
      Effect.gen(function* () {
        const database = yield* openDatabase("s")
        yield* database.report({ trial: "a", worker: "w", step: 1, steps: 2, loss: null, waiting: null })
        const before = yield* database.running
        yield* database.record(failedResult(trial("a"), "runs/a", "first"))
        yield* database.record(failedResult(trial("a"), "runs/a", "second"))
        const results = yield* database.results
        return {
          before,
          results,
          after: yield* database.running,
          has: yield* database.has("a"),
          not: yield* database.has("b")
        }
      })
    )
    expect(seen.before.map((row) => row.trial)).toEqual(["a"])
    expect(seen.results.map(({ reason }) => reason)).toEqual(["first"])
    expect(seen).toMatchObject({ after: [], has: true, not: false })
  })

  test("workers without a folder get the study that was begun first and is not finished", async () => {
    const names = await onFile(
      "studies",
      Effect.gen(function* () {
        const names: Array<string | undefined> = []
        for (const id of ["a", "b"])
          yield* (yield* openDatabase(id)).announce({ study: exampleStudy({ id }), folder: `compare/${id}` })
        names.push((yield* oldestOpenStudy)?.folder)
        for (const id of ["a", "b"]) {
          yield* (yield* openDatabase(id)).finish
          names.push((yield* oldestOpenStudy)?.study.id)
        }
        return names
      })
    )
    expect(names).toEqual(["compare/a", "b", undefined])
  })
})
