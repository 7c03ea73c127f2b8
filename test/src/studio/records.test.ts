/** Records of runs are written one after the other, whoever changes them at the same time. */
import { expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { platform } from "../../../src/platform.ts"
import { openRunRecords } from "../../../src/studio/server/records.ts"

test("a record that is changed from many places at once is whole, and has all changes", async () => {
  const before = process.cwd()
  const folder = mkdtempSync(join(tmpdir(), "records-"))
  process.chdir(folder)
  try {
    await Effect.gen(function* () {
      const records = yield* openRunRecords(".state")
      const id = "runs/a-1"
      yield* records.save({ id, plan: "a.json", startedAt: 1, waits: true, resumes: false, stopping: false })
      const changes = [
        { waits: false },
        { stopping: true },
        { exit: { code: 130, signal: null } },
        ...Array.from({ length: 40 }, (_, i) => ({ startedAt: i }))
      ]
      yield* Effect.forEach(changes, (parts) => records.change(id, parts), { concurrency: "unbounded" })
      const written = JSON.parse(readFileSync(".state/runs/runs%2Fa-1.json", "utf8"))
      expect(written).toEqual({
        id,
        plan: "a.json",
        startedAt: 39,
        waits: false,
        resumes: false,
        stopping: true,
        exit: { code: 130, signal: null }
      })
      expect((yield* openRunRecords(".state")).get(id)).toEqual(written)
    }).pipe(Effect.provide(platform), Effect.runPromise)
  } finally {
    process.chdir(before)
    rmSync(folder, { recursive: true })
  }
})
