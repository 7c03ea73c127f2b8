/** Looks while training change no result: the same run without them, and runs that are cut and go on, with other sites too. */
import { beforeAll, describe, expect, test } from "bun:test"
import { looksOf, plan, testCut, trainSeen } from "./diagnosed-runs.ts"
import { TIMEOUT, workspace } from "./fixtures.ts"
import { adapterOf, metricsOf } from "./runs.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const w = workspace()
w.model("bert")
beforeAll(() => trainSeen(w), TIMEOUT)

test(
  "the run is the one without: adapter, steps and evaluations, bit for bit",
  async () => {
    await complete(w, w.write("unseen.json", plan(undefined)), "runs/unseen")
    await complete(w, w.write("few.json", plan({ every: 2, sites: ["encoder.layer.1.**"] })), "runs/few")
    expect(looksOf(w, "runs/few").map(({ step, sites }) => [step, sites.length])).toEqual(
      [1, 3, 5, 7].map((s) => [s, 6])
    )
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
  for (const step of [1, 5]) testCut(w, step)

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
      expect(looksOf(w, cut).map(({ step, sites }) => [step, sites.length])).toEqual([
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
