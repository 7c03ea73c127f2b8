/** The best state is the adapter, a run stops where it no longer gets better, and an interruption changes neither. */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { jsonObjects, onWasm, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"

const w = workspace()
const STEPS = 12
/** A rate at which the toy soon gets worse. */
const optimizer = { kind: "adamw", learningRate: 0.2 }
const training = { steps: STEPS, batchSize: 4, evaluateEvery: 2, stopEarly: { metric: "loss", patience: 2 } }
const output = { checkpointEvery: 1, keepCheckpoints: STEPS, keep: "best" }

interface Evaluated {
  readonly kind: string
  readonly step: number
  readonly split: string
  readonly loss: number
}
const metricsOf = (run: string) => jsonObjects(w.read(`${run}/metrics.jsonl`)) as unknown as ReadonlyArray<Evaluated>
const adapterOf = (run: string) => [
  w.bytes(`${run}/adapter/adapter_model.safetensors`),
  w.bytes(`${run}/adapter/head.safetensors`)
]
const train = (...args: ReadonlyArray<string>) => succeed(w.cli(["train", ...args, ...onWasm]))

interface Report {
  readonly steps: number
  readonly planned: number
  readonly stopped: { readonly step: number; readonly evaluations: number }
  readonly kept: { readonly step: number; readonly value: number }
  readonly test: Evaluated
  readonly validation: Evaluated
}
const reportOf = (run: string) => w.json(`${run}/run.json`) as unknown as Report

let said = ""
beforeAll(async () => {
  w.model("minilm")
  w.write("plan.json", tinyPlan("minilm", { optimizer, training, output }))
  said = (await train("plan.json", "--out", "whole", "--verbose")).stdout
}, TIMEOUT)

describe("a run that gets worse", () => {
  test("stops before its last step, and says why", () => {
    const { steps, planned, stopped, kept } = reportOf("whole")
    expect(steps).toBeLessThan(planned)
    expect(planned).toBe(STEPS)
    expect(stopped).toMatchObject({ metric: "loss", step: kept.step, evaluations: 2 })
    expect(steps).toBe(kept.step + 4)
    expect(said).toContain(
      `Stopped after step ${steps} of ${STEPS}: validation loss was last better at step ${kept.step}`
    )
    expect(said).toContain(`Saved the best checkpoint, step ${kept.step} of ${steps} (validation loss`)
    expect(w.read("whole/report.html")).toContain(`best checkpoint, step ${kept.step} of ${steps}`)
    expect(w.read("whole/adapter/README.md")).toContain(`best checkpoint, step ${kept.step} of ${steps}`)
  })

  test(
    "leaves the adapter of its best step: that of a run which ends there",
    async () => {
      const { kept, test: judged } = reportOf("whole")
      const onTheWay = metricsOf("whole").filter(({ kind, split }) => kind === "evaluation" && split === "validation")
      expect(kept.value).toBe(Math.min(...onTheWay.map(({ loss }) => loss)))
      // no schedule: the first steps do not know how many come
      await train("plan.json", "--set", `training.steps=${kept.step}`, "--set", "output.keep=last", "--out", "short")
      expect(adapterOf("short")).toEqual(adapterOf("whole"))
      expect(reportOf("short").test.loss).toBe(judged.loss)
    },
    TIMEOUT
  )

  test(
    "is finished: resuming it does nothing; without its patience it goes on",
    async () => {
      const { steps } = reportOf("whole")
      expect((await train("--resume", "whole")).stderr).toContain("is finished")
      cpSync(w.path("whole"), w.path("patient"), { recursive: true })
      const plan = w.json("patient/plan.json") as { training: { stopEarly?: object } }
      delete plan.training.stopEarly
      w.write("patient/plan.json", plan as never)
      expect((await train("--resume", "patient")).stderr).toContain(`resumes after step ${steps}`)
      expect(reportOf("patient")).toMatchObject({
        steps: STEPS,
        stopped: null,
        kept: { step: reportOf("whole").kept.step }
      })
      expect(adapterOf("patient")).toEqual(adapterOf("whole"))
    },
    TIMEOUT
  )
})

test(
  "a run that is resumed before its best step, there, after a worse evaluation and at its end comes to the same end, bit for bit",
  async () => {
    const { steps, kept, stopped } = reportOf("whole")
    for (const step of [1, kept.step, steps - 1, steps]) {
      const run = `cut-${step}`
      cpSync(w.path("whole"), w.path(run), { recursive: true })
      for (const file of ["run.json", "report.html", "adapter"]) rmSync(w.path(`${run}/${file}`), { recursive: true })
      const checkpoints = w.path(`${run}/checkpoints`)
      for (const name of readdirSync(checkpoints))
        if (Number(name.slice("step-".length)) > step) rmSync(join(checkpoints, name), { recursive: true })
      await train("--resume", run)
      expect([step, reportOf(run).stopped, reportOf(run).kept]).toEqual([step, stopped as never, kept as never])
      expect(adapterOf(run)).toEqual(adapterOf("whole"))
      const onTheWay = (of: string) => metricsOf(of).filter(({ split }) => split !== "test")
      const rows = (of: string) => onTheWay(of).map(({ kind, step: at, split }) => [kind, at, split])
      expect(rows(run)).toEqual(rows("whole"))
    }
  },
  TIMEOUT
)
