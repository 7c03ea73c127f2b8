/** Counts in a database's table `t`, in transactions that read first: `count-child.ts FILE TIMES`. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { sqliteLayer } from "../../../src/compare/storage.ts"

const [file, times] = process.argv.slice(2)

const increment = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  sql.withTransaction(
    Effect.gen(function* () {
      const [row] = yield* sql<{ readonly n: number }>`SELECT n FROM t`
      yield* Effect.sleep(0)
      yield* sql`UPDATE t SET n = ${row!.n + 1}`
    })
  )
)

await Effect.runPromise(increment.pipe(Effect.repeat({ times: Number(times) - 1 }), Effect.provide(sqliteLayer(file!))))
