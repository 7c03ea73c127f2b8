/**
 * A study over PostgreSQL: two workers that know nothing but the database, one of them killed twice, and a coordinator that has no
 * worker of its own. The server is real and the test's own.
 */
import { afterAll, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { SQL } from "bun"
import type { Progress } from "../../src/compare/database.ts"
import { cli, TIMEOUT, workspace } from "../e2e/fixtures.ts"
import { hasPostgres, type Postgres, startPostgres } from "../e2e/postgres.ts"
import { type Launched, start } from "../e2e/runs.ts"
import {
  expectSameAsUndisturbed,
  expectWhole,
  isAlive,
  pidOf,
  startCompare,
  underWay,
  until,
  writeStudyPlan
} from "../e2e/studies.ts"

const w = workspace()
const folder = "compare/plan-1"
let postgres: Postgres | undefined
const workers: Array<Launched> = []

afterAll(async () => {
  for (const { kill, pid } of workers) if (isAlive(pid)) kill("SIGTERM")
  await Promise.all(workers.map(({ ended }) => ended))
  await postgres?.stop()
})

const startWorker = (): Launched => {
  const worker = start(
    [process.execPath, cli, "compare", "--worker", "--storage", postgres!.url, "--threads", "1"],
    w.directory
  )
  workers.push(worker)
  return worker
}

test.skipIf(!hasPostgres)(
  "twelve runs, two workers that know only the database, one killed twice: every run once",
  async () => {
    writeStudyPlan(w)
    postgres = await startPostgres()
    const [first] = [startWorker(), startWorker()]
    await first!.said("no open study")
    const coordinator = startCompare(w, "--workers", "0", "--storage", postgres.url)
    const sql = new SQL(postgres.url)
    const running = async (): Promise<ReadonlyArray<Progress>> => sql`SELECT * FROM compare_progress`.catch(() => [])
    const victim = async (worker: Launched) =>
      until("a trial under way", async () =>
        underWay(w, folder, await running()).find((one) => isAlive(pidOf(one)) && pidOf(one) === worker.pid)
      )
    const one = await victim(first!)
    first!.kill("SIGKILL")
    const again = startWorker()
    const two = await victim(again)
    again.kill("SIGKILL")
    startWorker()

    const { code, stderr } = await coordinator.ended
    expect(stderr).not.toContain("ERROR")
    expect(code).toBe(0)
    expectWhole(w, folder)
    for (const { trial } of [one, two]) await expectSameAsUndisturbed(w, folder, trial)

    // the password is written nowhere, and a finished study leaves its results alone in the database
    for (const name of ["study.json", "compare.json", "compare.html", "compare.md"])
      expect(w.read(`${folder}/${name}`)).not.toContain(new URL(postgres.url).password)
    expect(stderr).not.toContain(new URL(postgres.url).password)
    const tables =
      (await sql`SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`) as ReadonlyArray<{
        readonly tablename: string
      }>
    expect(tables.map(({ tablename }) => tablename)).toEqual([
      "compare_progress",
      "compare_queue",
      "compare_queue_migrations",
      "compare_results",
      "compare_studies"
    ])
    expect(await sql`SELECT finished FROM compare_studies`).toEqual([{ finished: 1 }])
    expect(await sql`SELECT * FROM compare_queue`).toHaveLength(0)
    await sql.end()
    expect(existsSync(w.path(`${folder}/study.sqlite`))).toBe(false)
  },
  TIMEOUT
)
