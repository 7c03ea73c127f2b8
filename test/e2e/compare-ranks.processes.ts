/** A study whose trials are runs of two processes each has the results of one whose trials are one process each. */
import { expect, test } from "bun:test"
import { mpiEnvironment, mpiruns } from "../mpirun.ts"
import { cli, onWasm, run, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { adapterOf, metricsOf, start } from "./runs.ts"
import { isAlive, pidOf, runningIn, until } from "./studies.ts"

const w = workspace()
w.model("bert")
const plan = (steps: number) =>
  tinyPlan("bert", { training: { steps, batchSize: 2, accumulate: 2 }, output: { checkpointEvery: 1 } })
const question = ["--methods", "lora", "--learning-rates", "0.01", "--seeds", "1", "--fresh-seeds", "1", ...onWasm]
const study = (file: string, out: string, ...more: ReadonlyArray<string>) => [
  ...[process.execPath, cli, "compare", file, "--out", out, ...question],
  ...more
]
interface Results {
  readonly results: ReadonlyArray<Record<string, unknown> & { readonly trial: { readonly id: string } }>
}
/** Without times and memory. */
const resultsOf = (folder: string) =>
  (w.json(`${folder}/results.json`) as unknown as Results).results.map(
    ({ trial, status, validation, test, trainLoss }) => ({ trial, status, validation, test, trainLoss })
  )

test("more processes than micro-batches are refused before there is a folder", async () => {
  w.write("plan.json", plan(4))
  const { code, stderr } = await w.cli(["compare", "plan.json", "--trial-ranks", "3", "--out", "none"])
  expect(code).toBe(1)
  expect(stderr).toContain(
    "plan: training.accumulate is 2, but the micro-batches of a step are divided among 3 processes"
  )
  expect(() => w.json("none/study.json")).toThrow()
})

for (const { name, command } of mpiruns)
  test(
    `trials of two processes, by ${name}`,
    async () => {
      w.write("plan.json", plan(4))
      const env = { ...mpiEnvironment, TFJS_LORA_PRO_MPIRUN: command }
      const own = { cwd: w.directory, env }
      await succeed(run(study("plan.json", "one"), own))
      await succeed(run(study("plan.json", command, "--trial-ranks", "2"), own))
      expect(resultsOf(command)).toEqual(resultsOf("one"))
      expect(resultsOf("one").length).toBeGreaterThan(0)
      for (const { trial } of resultsOf("one")) {
        const [one, two] = ["one", command].map((folder) => `${folder}/runs/${trial.id}`) as [string, string]
        expect(w.json(`${one}/run.json`)["processes"]).toBeUndefined()
        expect(w.json(`${two}/run.json`)["processes"]).toBe(2)
        expect(adapterOf(w, two)).toEqual(adapterOf(w, one))
      }
    },
    TIMEOUT
  )

const [first] = mpiruns
test.skipIf(first === undefined)(
  "Ctrl-C: the processes of a trial save and are gone before the coordinator is; after SIGKILL of all others they end as well",
  async () => {
    w.write("long.json", plan(4000))
    const env = { ...mpiEnvironment, TFJS_LORA_PRO_MPIRUN: first!.command }
    const lockOf = () => {
      try {
        const [trial] = [...new Bun.Glob("*/lock").scanSync(w.path("long/runs"))]
        return w.json(`long/runs/${trial}`)["pid"] as number
      } catch {
        return undefined
      }
    }
    const beyond = (step: number) => () => {
      try {
        const [trial] = [...new Bun.Glob("*/metrics.jsonl").scanSync(w.path("long/runs"))]
        return (
          metricsOf(w, `long/runs/${trial!.split("/")[0]}`).some((line) => Number(line["step"]) > step) || undefined
        )
      } catch {
        return undefined
      }
    }
    const begun = start(study("long.json", "long", "--trial-ranks", "2"), w.directory, { group: true, env })
    await until("steps of the trial", beyond(2))
    const trainer = lockOf()!
    begun.kill("SIGINT")
    expect((await begun.ended).code).toBe(130)
    // its launcher has waited for it; whoever reaps it may be a moment later
    await until("its end", () => !isAlive(trainer) || undefined)

    const again = start(study("long.json", "long", "--trial-ranks", "2"), w.directory, { group: true, env })
    const second = await until("the trial again", () => {
      const pid = lockOf()
      return pid === undefined || pid === trainer ? undefined : pid
    })
    const worker = await until("its worker", () => runningIn(w, "long").map(pidOf).find(isAlive))
    for (const pid of [again.pid, worker]) process.kill(pid, "SIGKILL")
    await until("its end", () => !isAlive(second) || undefined)
  },
  TIMEOUT
)
