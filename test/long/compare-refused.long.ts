/** Studies that cannot be, how they are refused before anything runs, and runs that fail: as results, or as an end with a way on. */
import { describe, expect, test } from "bun:test"
import { renameSync, rmSync } from "node:fs"
import { hostname } from "node:os"
import type { TrialResult } from "../../src/compare/study.ts"
import { cli, succeed, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { refuses } from "../e2e/refusal.ts"
import { start } from "../e2e/runs.ts"
import { runningIn, until } from "../e2e/studies.ts"

const w = workspace()
w.model("bert")
w.write("other/study.json", "{}")
w.write("taken/file", "")

const comparing = (...flags: ReadonlyArray<string>) => {
  w.write("plan.json", tinyPlan("bert"))
  return ["compare", "plan.json", ...flags]
}
const comparingWith = (sections: Record<string, unknown>, ...flags: ReadonlyArray<string>) => {
  w.write("plan.json", tinyPlan("bert", sections))
  return ["compare", "plan.json", ...flags]
}
const { test: _, ...withoutTest } = tinyPlan("bert").data
const { validation: __, ...withoutValidation } = tinyPlan("bert").data

refuses("study", w, [
  { name: "no plan", args: () => ["compare"], says: ["needs a plan", "examples/plans/", "--worker"] },
  {
    name: "a misspelt method",
    args: () => comparing("--methods", "lora,lora-por"),
    says: ["--methods", '"lora-por"', "dora", 'did you mean "lora-pro"']
  },
  {
    name: "a method twice",
    args: () => comparing("--methods", "lora,lora"),
    says: ["--methods", "lora more than once"]
  },
  {
    name: "a rate twice",
    args: () => comparing("--learning-rates", "1e-3,0.001"),
    says: ["--learning-rates", "0.001 more than once"]
  },
  {
    name: "a rate that is none",
    args: () => comparing("--learning-rates", "fast"),
    says: ["--learning-rates", "fast", "auto"],
    helps: true
  },
  {
    name: "a rank beyond all",
    args: () => comparing("--ranks", "0"),
    says: ["--ranks", "from 1 to 1024"],
    helps: true
  },
  {
    name: "ranks that some layer has not, for every method that has one",
    args: () => comparing("--ranks", "4,40", "--methods", "lora,dora,full"),
    says: ["lora, rank 40: adapter.rank", "dora, rank 40", "at most 32"]
  },
  {
    name: "a method that the plan's weights do not allow",
    args: () => comparingWith({ model: { source: "bert", weights: "int8" } }),
    says: ["full: model.weights", '"int8"', "f32"]
  },
  {
    name: "decay that a rate of the grid turns over",
    args: () =>
      comparingWith(
        { optimizer: { kind: "adamw", learningRate: 1e-3, weightDecay: 20 } },
        "--methods",
        "lora",
        "--learning-rates",
        "1e-3,1e-1"
      ),
    says: ["lora, rank 4: optimizer.weightDecay", "0.1"]
  },
  {
    name: "no split to pick rates by",
    args: () => comparingWith({ data: withoutValidation }),
    says: ["data.validation: missing", "--learning-rates"]
  },
  { name: "no split to compare on", args: () => comparingWith({ data: withoutTest }), says: ["data.test: missing"] },
  {
    name: "a plan that is wrong",
    args: () => comparingWith({ adapter: { method: "lorra" } }),
    says: ["adapter.method", '"lorra"']
  },
  {
    name: "a storage that is none",
    args: () => comparing("--storage", "mysql://host/db"),
    says: ["storage mysql://host/db", "sqlite://FILE", "postgres://"]
  },
  {
    name: "a database that cannot be reached",
    args: () => comparing("--storage", "postgres://me:secret@127.0.0.1:1/db"),
    says: ["storage postgres://***@127.0.0.1:1/db", "ECONNREFUSED"]
  },
  {
    name: "a folder of something else",
    args: () => comparing("--out", "taken"),
    says: ["taken exists already", "--out"]
  },
  {
    name: "a study that cannot be read",
    args: () => comparing("--out", "other"),
    says: ["other/study.json", "not a valid study file"]
  },
  { name: "a worker without work", args: () => ["compare", "--worker"], says: ["--storage", "--out"] },
  {
    name: "a worker of a folder that is no study",
    args: () => ["compare", "--worker", "--out", "taken"],
    says: ["taken", "study.json"]
  }
])

const onOne = ["--device", "wasm", "--threads", "1", "--fresh-seeds", "1", "--seeds", "1"]
const resultsOf = (folder: string) =>
  (w.json(`${folder}/results.json`) as unknown as { readonly results: ReadonlyArray<TrialResult> }).results

describe("a run that fails", () => {
  test(
    "by diverging is a result: it is in the table with its reason, and the rate is not picked",
    async () => {
      const { stdout } = await succeed(
        w.cli([
          ...comparing("--out", "diverged", "--methods", "lora", "--learning-rates", "1e-2,1e30", "--json"),
          ...onOne
        ])
      )
      const results = resultsOf("diverged")
      expect(results.map(({ trial, status }) => [trial.stage, trial.learningRate, status])).toEqual([
        ["sweep", 1e-2, "done"],
        ["sweep", 1e30, "failed"],
        ["final", 1e-2, "done"]
      ])
      expect(results[1]!.reason).toContain("is not finite")
      expect(JSON.parse(stdout)).toMatchObject({ folder: "diverged" })
    },
    TIMEOUT
  )

  test(
    "by what has nothing to do with the method ends the study, which goes on when that is put right",
    async () => {
      const args = [...comparing("--out", "missing", "--methods", "lora", "--learning-rates", "1e-2"), ...onOne]
      const study = start([process.execPath, cli, ...args], w.directory)
      // everything is looked at before the workers start: what goes wrong later has to go wrong after that
      await study.said("on this machine")
      renameSync(w.path("train.jsonl"), w.path("away.jsonl"))
      const { code, stderr } = await study.ended
      renameSync(w.path("away.jsonl"), w.path("train.jsonl"))
      expect(code).toBe(1)
      expect(stderr).toContain("the study stopped, because a worker failed; finished trials are kept")
      expect(stderr).toContain("train.jsonl: no such file")
      expect(stderr).toContain("resume with: bun run compare plan.json --out missing")
      expect(stderr).not.toMatch(/^\s+at /m)
      await succeed(w.cli(args))
      expect(resultsOf("missing").map(({ status }) => status)).toEqual(["done"])
    },
    TIMEOUT
  )
})

test(
  "a run folder that another process writes is waited for, not failed at",
  async () => {
    const args = [...comparing("--out", "waits", "--methods", "lora", "--learning-rates", "1e-2"), ...onOne]
    const first = start([process.execPath, cli, ...args, "--workers", "0"], w.directory)
    await first.said("0 workers on this machine")
    first.kill("SIGINT")
    await first.ended
    const run = "waits/runs/final-lora-r4-lr0.01-s2"
    w.write(`${run}/lock`, { pid: process.pid, host: hostname() })
    const study = start([process.execPath, cli, ...args], w.directory)
    const waiting = await until("a trial that waits", () => runningIn(w, "waits")[0]?.waiting ?? undefined)
    expect(waiting).toContain(`is being written by process ${process.pid}`)
    rmSync(w.path(run), { recursive: true })
    expect((await study.ended).code).toBe(0)
    expect(resultsOf("waits").map(({ status }) => status)).toEqual(["done"])
  },
  TIMEOUT
)

test(
  "a study's folder is one study's, and one coordinator's",
  async () => {
    const first = start(
      [process.execPath, cli, ...comparing("--out", "shared", "--methods", "lora"), "--workers", "0"],
      w.directory
    )
    await first.said("0 workers on this machine")
    const second = await w.cli(comparing("--out", "shared", "--methods", "lora"))
    expect(second.stderr).toContain("shared is being written by process")
    const other = await w.cli(comparing("--out", "shared", "--methods", "lora", "--seeds", "3"))
    expect(other.stderr).toContain("shared contains a different study")
    expect(other.stderr).toContain("seeds: there [1,2], here [1,2,3]")
    first.kill("SIGINT")
    expect([(await first.ended).code, second.code, other.code]).toEqual([130, 1, 1])
  },
  TIMEOUT
)
