/** A state replaces the last where validation rows can tell that it is better, and an interruption at any step changes nothing of it. */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { platform } from "../../src/platform.ts"
import { resultOf } from "../../src/studio/runs/left.ts"
import { runReader } from "../../src/studio/runs/summary.ts"
import { jsonLines, onWasm, succeed, TIMEOUT, tinyPlan, tinyRows, workspace } from "./fixtures.ts"

const w = workspace()
const train = (...args: ReadonlyArray<string>) => succeed(w.cli(["train", ...args, ...onWasm]))

const plan = (seed: number, learningRate: number, metric: string) =>
  tinyPlan("minilm", {
    seed,
    optimizer: { kind: "adamw", learningRate },
    training: { steps: 12, batchSize: 4, evaluateEvery: 2, stopEarly: { metric, patience: 2 } },
    output: { checkpointEvery: 1, keepCheckpoints: 12 }
  })

interface Report {
  readonly steps: number
  readonly kept: {
    readonly step: number
    readonly value: number
    readonly compared?: {
      readonly step: number
      readonly value: number
      readonly chance: number
      readonly level: number
    }
  }
}
const reportOf = (run: string) => w.json(`${run}/run.json`) as unknown as Report
const adapterOf = (run: string) => [
  w.bytes(`${run}/adapter/adapter_model.safetensors`),
  w.bytes(`${run}/adapter/head.safetensors`)
]

const said: Record<string, string> = {}
beforeAll(async () => {
  w.model("minilm")
  w.write("validation.jsonl", jsonLines(tinyRows(40, 24)))
  // one soon gets much worse, the other hardly
  w.write("worse.json", plan(1, 0.2, "loss"))
  w.write("alike.json", plan(1, 0.2, "accuracy"))
  for (const name of ["worse", "alike"]) said[name] = (await train(`${name}.json`, "--out", name)).stdout
}, TIMEOUT)

/** What the studio says that a run gained. */
const inStudio = (run: string) =>
  Effect.gen(function* () {
    const plan = yield* runReader().plan(w.path(run))
    return (yield* resultOf(w.path(run), plan!)).gained
  }).pipe(Effect.provide(platform), Effect.runPromise)

/** What the run comes to that says itself what it keeps. */
const kept = async (name: string, keep: string) => {
  await train(`${name}.json`, "--set", `output.keep=${keep}`, "--out", `${name}-${keep}`)
  return adapterOf(`${name}-${keep}`)
}

describe("the default", () => {
  test(
    "is the best state where it is better beyond chance",
    async () => {
      const { steps, kept: own } = reportOf("worse")
      expect(own.step).toBeLessThan(steps)
      expect(own.compared).toMatchObject({ step: steps })
      expect(own.compared!.value).toBeGreaterThan(own.value)
      expect(own.compared!.chance).toBeLessThanOrEqual(own.compared!.level)
      expect(adapterOf("worse")).toEqual(await kept("worse", "best"))
      const state = `best checkpoint, step ${own.step} of ${steps} (validation loss ${own.value.toFixed(3)}; ${own.compared!.value.toFixed(3)} at the last step)`
      for (const text of [said["worse"], w.read("worse/report.html"), w.read("worse/adapter/README.md")])
        expect(text).toContain(state)
    },
    TIMEOUT
  )

  test(
    "is the last where it is not, though another step was better",
    async () => {
      const { steps, kept: own } = reportOf("alike")
      expect(own.step).toBe(steps)
      expect(own.compared!.step).toBeLessThan(steps)
      expect(own.compared!.value).toBeGreaterThan(own.value)
      expect(own.compared!.chance).toBeGreaterThan(own.compared!.level)
      expect(adapterOf("alike")).toEqual(await kept("alike", "last"))
      expect(adapterOf("alike")).not.toEqual(await kept("alike", "best"))
      const percent = (value: number) => `${(100 * value).toFixed(1)} %`
      const state = `the last checkpoint (validation accuracy ${percent(own.value)}): step ${own.compared!.step} had ${percent(own.compared!.value)}, a difference that 40 rows cannot tell from chance`
      for (const text of [said["alike"], w.read("alike/report.html"), w.read("alike/adapter/README.md")])
        expect(text).toContain(state)
      expect(said["alike"]).toContain(`Saved ${state}.`)
      expect(await inStudio("alike")).toContain(`Saved ${state}.`)
    },
    TIMEOUT
  )
})

for (const name of ["worse", "alike"] as const)
  test(
    `${name}: resumed after any step, it decides the same and leaves the same bytes`,
    async () => {
      const { steps, kept: own } = reportOf(name)
      for (let step = 1; step <= steps; step++) {
        const run = `${name}-${step}`
        cpSync(w.path(name), w.path(run), { recursive: true })
        for (const file of ["run.json", "report.html", "adapter"]) rmSync(w.path(`${run}/${file}`), { recursive: true })
        const checkpoints = w.path(`${run}/checkpoints`)
        for (const at of readdirSync(checkpoints))
          if (Number(at.slice("step-".length)) > step) rmSync(join(checkpoints, at), { recursive: true })
        await train("--resume", run)
        expect([step, reportOf(run).kept]).toEqual([step, own as never])
        expect(adapterOf(run)).toEqual(adapterOf(name))
      }
    },
    TIMEOUT
  )

test(
  "a metric that gets worse while the one that the run is judged by improves is in the summary and in the report",
  async () => {
    w.write("short.json", plan(2, 0.02, "accuracy"))
    const { stdout } = await train("short.json", "--out", "short")
    const line = /^While accuracy improved, loss rose from [\d.]+ to [\d.]+\.$/m.exec(stdout)?.[0]
    expect(line).toBeDefined()
    expect(w.read("short/report.html")).toContain(line!)
    expect(await inStudio("short")).toContain(line!)
  },
  TIMEOUT
)
