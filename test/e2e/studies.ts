/** Studies of twelve tiny runs as real processes, and what has to be true of one that is finished, whatever was killed on the way. */
import { Database } from "bun:sqlite"
import { expect } from "bun:test"
import { existsSync, readdirSync, statSync } from "node:fs"
import type { Progress } from "../../src/compare/database.ts"
import type { TrialResult } from "../../src/compare/study.ts"
import { cli, jsonObjects, succeed, tinyPlan, type Workspace } from "./fixtures.ts"
import { adapterOf, type Launched, metricsOf, start } from "./runs.ts"

export const STEPS = 80
export const METHODS = ["lora", "lora-pro", "full"]
const RATES = [0.01, 0.03]
/** two rates of three methods at one seed, and two fresh seeds of each */
export const RUNS = METHODS.length * (RATES.length + 2)

/** A workspace's plan, and the flags of a study on it. */
export const writeStudyPlan = (w: Workspace): void => {
  w.model("bert")
  w.write("plan.json", tinyPlan("bert", { training: { steps: STEPS, batchSize: 4 }, output: { checkpointEvery: 4 } }))
}

const asked = [
  "--methods",
  METHODS.join(","),
  "--learning-rates",
  RATES.join(","),
  "--seeds",
  "1",
  "--fresh-seeds",
  "2"
]

export const compareArgs = (...more: ReadonlyArray<string>): ReadonlyArray<string> => [
  "compare",
  "plan.json",
  ...asked,
  "--device",
  "wasm",
  "--threads",
  "1",
  ...more
]

export const startCompare = (w: Workspace, ...more: ReadonlyArray<string>): Launched =>
  start([process.execPath, cli, ...compareArgs(...more)], w.directory)

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits for something that comes by itself; fails where it does not. */
export const until = async <A>(what: string, look: () => A | undefined | Promise<A | undefined>): Promise<A> => {
  const end = performance.now() + 60_000
  while (performance.now() < end) {
    const found = await look()
    if (found !== undefined) return found
    await Bun.sleep(50)
  }
  throw new Error(`waited in vain for ${what}`)
}

/** What the workers of a study in SQLite are at. */
export const runningIn = (w: Workspace, folder: string): ReadonlyArray<Progress> => {
  const file = w.path(`${folder}/study.sqlite`)
  if (!existsSync(file)) return []
  const db = new Database(file, { readonly: true })
  try {
    return db.query("SELECT * FROM compare_progress").all() as ReadonlyArray<Progress>
  } catch {
    return [] // its tables are not made yet
  } finally {
    db.close()
  }
}

export const pidOf = ({ worker }: Pick<Progress, "worker">): number => Number(worker.split("@")[0])

/** Trials of which a step is saved and which are not done: a kill now leaves something to go on from. */
export const underWay = (w: Workspace, folder: string, running: ReadonlyArray<Progress>) =>
  running.filter(({ trial }) => {
    const checkpoints = w.path(`${folder}/runs/${trial}/checkpoints`)
    return (
      existsSync(checkpoints) &&
      readdirSync(checkpoints).some((name) => name.startsWith("step-")) &&
      !existsSync(w.path(`${folder}/runs/${trial}/run.json`))
    )
  })

/** The finished runs, and when each was finished: what must not change any more. */
export const finishedAt = (w: Workspace, folder: string): ReadonlyMap<string, number> =>
  new Map(
    readdirSync(w.path(`${folder}/runs`)).flatMap((trial): ReadonlyArray<readonly [string, number]> => {
      const report = w.path(`${folder}/runs/${trial}/run.json`)
      return existsSync(report) ? [[trial, statSync(report).mtimeMs]] : []
    })
  )

const steps = Array.from({ length: STEPS }, (_, i) => i + 1)

/** What of a split's evaluation a study keeps. */
const scoreOf = ({ rows, loss, accuracy, macroF1 }: NonNullable<TrialResult["test"]>) =>
  ({ rows, loss, accuracy, macroF1 }) as NonNullable<TrialResult["test"]>

/** Every run once in the table, each step of it once in its metrics, and its numbers those of its folder. */
export const expectWhole = (w: Workspace, folder: string): ReadonlyArray<TrialResult> => {
  const { finished, results } = w.json(`${folder}/results.json`) as unknown as {
    readonly finished: boolean
    readonly results: ReadonlyArray<TrialResult>
  }
  expect(finished).toBe(true)
  const ids = results.map(({ trial }) => trial.id)
  expect(ids).toHaveLength(RUNS)
  expect(new Set(ids).size).toBe(RUNS)
  expect(readdirSync(w.path(`${folder}/runs`)).sort()).toEqual([...ids].sort())
  for (const result of results) {
    expect(result.status).toBe("done")
    const run = `${folder}/${result.directory}`
    const report = w.json(`${run}/run.json`) as unknown as TrialResult
    expect(result.validation).toEqual(scoreOf(report.validation!))
    // a sweep does not see the test split
    expect(result.test).toEqual(result.trial.stage === "sweep" ? null : scoreOf(report.test!))
    expect(report.test === null).toBe(result.trial.stage === "sweep")
    expect([result.seconds, result.peakBytes, result.steps]).toEqual([report.seconds, report.peakBytes, STEPS])
    const taken = jsonObjects(w.read(`${run}/metrics.jsonl`)).filter(({ kind }) => kind === "step")
    expect(taken.map(({ step }) => step)).toEqual(steps)
    const times = taken.map(({ milliseconds }) => milliseconds as number).sort((a, b) => a - b)
    const [low, high] = [times[(STEPS - 1) >> 1]!, times[STEPS >> 1]!]
    expect(result.stepSeconds).toBeCloseTo((low + high) / 2000, 12)
    expect(result.ended!).toBeGreaterThan(result.began!)
    expect([result.before, result.after]).toEqual([report.before, report.after].map((one) => scoreOf(one!)))
  }
  for (const method of METHODS) {
    const sweep = results.filter(({ trial }) => trial.stage === "sweep" && trial.method === method)
    const best = sweep.reduce((a, b) => (b.validation!.loss! < a.validation!.loss! ? b : a))
    const finals = results.filter(({ trial }) => trial.stage === "final" && trial.method === method)
    expect(finals.map(({ trial }) => [trial.learningRate, trial.seed])).toEqual(
      [2, 3].map((seed) => [best.trial.learningRate, seed])
    )
  }
  return results
}

/** A trial that was interrupted is, bit for bit, the run of its plan that never was. */
export const expectSameAsUndisturbed = async (w: Workspace, folder: string, trial: string): Promise<void> => {
  const again = `again-${trial}`
  await succeed(w.cli(["train", `${folder}/plans/${trial}.json`, "--out", again, "--device", "wasm", "--threads", "1"]))
  expect(metricsOf(w, `${folder}/runs/${trial}`)).toEqual(metricsOf(w, again))
  expect(Object.entries(adapterOf(w, `${folder}/runs/${trial}`)).filter(([name]) => name !== "card")).toEqual(
    Object.entries(adapterOf(w, again)).filter(([name]) => name !== "card")
  )
}
