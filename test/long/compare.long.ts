/**
 * A study is finished whatever is killed on the way: workers, twice, the coordinator by Ctrl-C, and everything at once. Every run stands
 * once in its table, and one that was interrupted is bit for bit the run that was not.
 */
import { expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { TIMEOUT, workspace } from "../e2e/fixtures.ts"
import {
  expectSameAsUndisturbed,
  expectWhole,
  finishedAt,
  isAlive,
  pidOf,
  RUNS,
  runningIn,
  startCompare,
  underWay,
  until,
  writeStudyPlan
} from "../e2e/studies.ts"

const w = workspace()
writeStudyPlan(w)
const folder = "compare/plan-1"

const running = () => runningIn(w, folder)

/** A trial that a live worker has saved a step of. */
const victim = (but: ReadonlyArray<number> = []) =>
  until("a trial under way", () =>
    underWay(w, folder, running()).find((one) => isAlive(pidOf(one)) && !but.includes(pidOf(one)))
  )

const lockedBy = (trial: string): number | undefined => {
  const lock = w.path(`${folder}/runs/${trial}/lock`)
  return existsSync(lock) ? (w.json(`${folder}/runs/${trial}/lock`)["pid"] as number) : undefined
}

const interrupted = new Set<string>()

test(
  "twelve runs, two workers: SIGKILL twice, Ctrl-C, SIGKILL of the coordinator, and every run once",
  async () => {
    const first = startCompare(w, "--workers", "2")
    const one = await victim()
    process.kill(pidOf(one), "SIGKILL")
    await first.said("a worker was killed; a new one takes its place")
    const two = await victim([pidOf(one)])
    process.kill(pidOf(two), "SIGKILL")
    await first.said(/a worker was killed[\s\S]*a worker was killed/)
    for (const { trial } of [one, two]) interrupted.add(trial)

    // Ctrl-C: children save and are gone before the coordinator is
    await first.said(`[1/${RUNS}]`)
    const three = await victim([pidOf(one), pidOf(two)])
    const trainer = lockedBy(three.trial)
    first.kill("SIGINT")
    const ended = await first.ended
    expect(ended.code).toBe(130)
    expect(ended.stderr).toContain("all results so far are kept; resume with: bun run compare plan.json --methods")
    for (const worker of running()) expect(isAlive(pidOf(worker))).toBe(false)
    if (trainer !== undefined) expect(isAlive(trainer)).toBe(false)
    expect(existsSync(w.path(`${folder}/lock`))).toBe(false)

    // the coordinator alone is killed: its workers and their trials notice, and end by themselves
    const done = finishedAt(w, folder)
    expect(done.size).toBeGreaterThan(0)
    const second = startCompare(w, "--workers", "2")
    await second.said(new RegExp(`\\[\\d+/${RUNS}\\]`))
    const four = await victim([pidOf(one), pidOf(two), pidOf(three)])
    interrupted.add(four.trial)
    const orphan = lockedBy(four.trial)
    second.kill("SIGKILL")
    await second.ended
    await until("the orphans to end", () =>
      !isAlive(pidOf(four)) && (orphan === undefined || !isAlive(orphan)) ? true : undefined
    )

    const third = startCompare(w, "--workers", "2")
    const { code, stderr } = await third.ended
    expect(stderr).toContain("runs already finished")
    expect(code).toBe(0)
    expectWhole(w, folder)
    for (const [trial, at] of done) expect(finishedAt(w, folder).get(trial)).toBe(at)
    for (const name of ["compare.html", "compare.md", "compare.json"])
      expect(existsSync(w.path(`${folder}/${name}`))).toBe(true)
  },
  TIMEOUT
)

test(
  "a trial that was killed and resumed is the run that was not, bit for bit",
  async () => {
    expect(interrupted.size).toBeGreaterThan(0)
    for (const trial of [...interrupted].slice(0, 2)) await expectSameAsUndisturbed(w, folder, trial)
  },
  TIMEOUT
)

test(
  "the same command on a finished study runs nothing and prints the same verdict",
  async () => {
    const before = finishedAt(w, folder)
    const verdict = w.read(`${folder}/compare.json`)
    const again = startCompare(w)
    const { code, stderr } = await again.ended
    expect(code).toBe(0)
    expect(stderr).toContain("is already finished; nothing to run")
    expect(finishedAt(w, folder)).toEqual(before)
    expect(w.read(`${folder}/compare.json`)).toBe(verdict)
    expect(before.size).toBe(RUNS)
  },
  TIMEOUT
)
