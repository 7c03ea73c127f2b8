/** Runs of causal language models that are interrupted after some step, and what they have to be in the end. */
import { expect } from "bun:test"
import { causalPlan, type formats } from "./causal-workspace.ts"
import type { Plan, Workspace } from "./fixtures.ts"
import { metricsOf, resultsOf } from "./runs.ts"
import { atStep, complete, trainHere } from "./train-here.ts"

export const adamw = { kind: "adamw", learningRate: 1e-2, schedule: { kind: "cosine", warmup: 0.2 } }
export const training = { steps: 9, batchSize: 3, accumulate: 2, evaluateEvery: 3, evaluateRows: 5 }

/** Accumulation, evaluations, checkpoints, several epochs. */
export const busyPlan = (source: string, format: keyof typeof formats, sections: Record<string, unknown> = {}) =>
  causalPlan(source, format, { training, output: { checkpointEvery: 2, keep: 2 }, ...sections })

/** Interrupted twice and resumed, it is the uninterrupted run. `i`: which run it is, and with that where it is cut. */
export const expectResumed = async (w: Workspace, plan: Plan, i: number): Promise<void> => {
  const file = w.write(`resumed-${i}.json`, plan)
  // the card names the last part of a folder
  await complete(w, file, `whole/${i}`)
  const [first, second] = [1 + (i % 3), 5 + (i % 3)]
  const cut = `cut/${i}`
  await trainHere(w, file, { directory: cut, until: atStep(first) })
  await trainHere(w, file, { resume: cut, until: atStep(second) })
  expect(metricsOf(w, cut).at(-1)).toMatchObject({ kind: "step", step: second })
  await complete(w, file, cut, { resume: cut })
  expect(resultsOf(w, cut)).toEqual(resultsOf(w, `whole/${i}`))
}
