/**
 * `training.diagnostics` of a plan: rows of the metrics beside their steps, and the same rows when the run is resumed. The same run
 * without them, and other cuts, are in diagnostics.processes.ts.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { looksOf, testCut, trainSeen } from "./diagnosed-runs.ts"
import { jsonObjects, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { metricsOf } from "./runs.ts"

const w = workspace()
w.model("bert")
beforeAll(() => trainSeen(w), TIMEOUT)

test(
  "a row at step 1 and every so many, before the row of its step; numbers that are numbers, and the theorem holds",
  () => {
    const rows = metricsOf(w, "runs/seen").filter(({ kind }) => kind !== "evaluation")
    const order = rows.map(({ kind, step }) => `${kind === "step" ? "" : "look "}${step}`)
    expect(order).toEqual(["look 1", "1", "2", "3", "look 4", "4", "5", "6", "look 7", "7", "8"])
    for (const { sites, mean, warnings } of looksOf(w, "runs/seen")) {
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

// in the middle of an epoch
describe("interrupted and resumed, the rows are the same:", () => testCut(w, 4))

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
