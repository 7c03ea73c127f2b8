/** What tests of `training.diagnostics` share: the plan with looks and without, and a run that is cut and goes on. */
import { expect, test } from "bun:test"
import type { DiagnosticsReport } from "../../src/training/index.ts"
import { TIMEOUT, type Workspace } from "./fixtures.ts"
import { busyPlan, metricsOf, resultsOf } from "./runs.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

const STEPS = 8
const training = { steps: STEPS, batchSize: 4, accumulate: 2, evaluateEvery: 3, evaluateRows: 5 }
export const plan = (diagnostics: object | undefined, sections: object = {}) =>
  busyPlan("bert", STEPS, {
    training: { ...training, ...(diagnostics === undefined ? {} : { diagnostics }) },
    optimizer: { kind: "lora-pro", learningRate: 1e-2 },
    ...sections
  })

export const looksOf = (w: Workspace, folder: string) =>
  metricsOf(w, folder).filter(({ kind }) => kind === "diagnostics") as unknown as ReadonlyArray<DiagnosticsReport>

/** Trains the whole run that the others are compared with: seen.json in runs/seen. */
export const trainSeen = (w: Workspace) => complete(w, w.write("seen.json", plan({ every: 3 })), "runs/seen")

/** Interrupts the run and goes on: its rows are those of the whole one. */
export const testCut = (w: Workspace, step: number) =>
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
