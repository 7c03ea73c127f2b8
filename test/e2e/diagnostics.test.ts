/**
 * `training.diagnostics` of a plan: rows of the metrics beside their steps, the same run without them, and the same
 * rows when it is resumed.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import type { DiagnosticsReport } from "../../src/training/index.ts"
import { jsonObjects, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { adapterOf, busyPlan, metricsOf, resultsOf } from "./runs.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()
beforeAll(() => {
  w.model("bert")
})

const STEPS = 8
const training = { steps: STEPS, batchSize: 4, accumulate: 2, evaluateEvery: 3, evaluateRows: 5 }
const plan = (diagnostics: object | undefined, sections: object = {}) =>
  busyPlan("bert", STEPS, {
    training: { ...training, ...(diagnostics === undefined ? {} : { diagnostics }) },
    optimizer: { kind: "lora-pro", learningRate: 1e-2 },
    ...sections
  })

const looksOf = (folder: string) =>
  metricsOf(w, folder).filter(({ kind }) => kind === "diagnostics") as unknown as ReadonlyArray<DiagnosticsReport>

test(
  "a row at step 1 and every so many, before the row of its step; numbers that are numbers, and the theorem holds",
  async () => {
    await complete(w, w.write("seen.json", plan({ every: 3 })), "runs/seen")
    const rows = metricsOf(w, "runs/seen").filter(({ kind }) => kind !== "evaluation")
    const order = rows.map(({ kind, step }) => `${kind === "step" ? "" : "look "}${step}`)
    expect(order).toEqual(["look 1", "1", "2", "3", "look 4", "4", "5", "6", "look 7", "7", "8"])
    for (const { sites, mean, warnings } of looksOf("runs/seen")) {
      expect(sites).toHaveLength(12)
      expect(warnings).toEqual([])
      for (const { theorem, best, method } of sites) {
        expect(theorem!.fromDamped!).toBeLessThanOrEqual(theorem!.tolerance!)
        expect(method.discrepancy!).toBeWithin(best.discrepancy! - 1e-9, 1.0001)
      }
      expect(mean.best.discrepancy!).toBeWithin(0, 1)
    }
    expect(w.read("runs/seen/metrics.jsonl")).not.toMatch(/NaN|Infinity/)
  },
  TIMEOUT
)

test(
  "the run is the one without: adapter, steps and evaluations, bit for bit",
  async () => {
    await complete(w, w.write("unseen.json", plan(undefined)), "runs/unseen")
    await complete(w, w.write("few.json", plan({ every: 2, sites: ["encoder.layer.1.**"] })), "runs/few")
    expect(looksOf("runs/few").map(({ step, sites }) => [step, sites.length])).toEqual([1, 3, 5, 7].map((s) => [s, 6]))
    const { card: _, ...unseen } = adapterOf(w, "runs/unseen")
    for (const run of ["runs/seen", "runs/few"]) {
      const { card: __, ...files } = adapterOf(w, run)
      expect(files).toEqual(unseen)
      expect(metricsOf(w, run).filter(({ kind }) => kind !== "diagnostics")).toEqual(metricsOf(w, "runs/unseen"))
    }
  },
  TIMEOUT
)

describe("interrupted and resumed, the rows are the same:", () => {
  for (const step of [1, 4, 5]) {
    test(
      `after step ${step}`,
      async () => {
        const cut = `runs/cut-${step}`
        await trainHere(w, "seen.json", { directory: cut, until: atStep(step) })
        await complete(w, "seen.json", cut, { resume: cut })
        expect(resultsOf(w, cut)).toEqual(resultsOf(w, "runs/seen"))
      },
      TIMEOUT
    )
  }

  test(
    "with other sites from there on: what is looked at changes no result",
    async () => {
      const cut = "runs/other"
      await trainHere(w, "seen.json", { directory: cut, until: atStep(4) })
      w.write(`${cut}/plan.json`, {
        ...w.json(`${cut}/plan.json`),
        training: { ...(w.json(`${cut}/plan.json`)["training"] as object), diagnostics: { every: 3, sites: ["query"] } }
      })
      await complete(w, "seen.json", cut, { resume: cut })
      expect(looksOf(cut).map(({ step, sites }) => [step, sites.length])).toEqual([
        [1, 12],
        [4, 12],
        [7, 2]
      ])
      const { card: _, ...files } = adapterOf(w, cut)
      const { card: __, ...whole } = adapterOf(w, "runs/seen")
      expect(files).toEqual(whole)
    },
    TIMEOUT
  )
})

/** What `validate` says of a plan that it refuses. */
const refused = async (file: string): Promise<string> => {
  const { code, stderr } = await w.cli(["validate", file])
  expect(code).toBe(1)
  return stderr
}

test(
  "patterns that mean no adapted layer are refused before any weight is read",
  async () => {
    const diagnostics = { sites: ["query", "encoder.layer.7.**", "valeu"] }
    w.write("wrong.json", tinyPlan("bert", { training: { steps: 2, diagnostics } }))
    const stderr = await refused("wrong.json")
    expect(stderr).toContain('training.diagnostics.sites.1: found "encoder.layer.7.**", which matches no adapted layer')
    expect(stderr).toMatch(/training\.diagnostics\.sites\.2: found "valeu".*nearest: .*value/)
    expect(stderr).not.toContain("sites.0")
    // the layer is there, but it is not adapted
    const few = { method: "lora", targets: ["query"] }
    w.write(
      "elsewhere.json",
      tinyPlan("bert", { adapter: few, training: { steps: 2, diagnostics: { sites: ["value"] } } })
    )
    expect(await refused("elsewhere.json")).toContain("training.diagnostics.sites.0: found")
    w.write("fine.json", tinyPlan("bert", { training: { steps: 2, diagnostics: { every: 100 } } }))
    expect(jsonObjects((await w.cli(["validate", "fine.json", "--json"])).stdout)[0]).toMatchObject({ ok: true })
  },
  TIMEOUT
)
