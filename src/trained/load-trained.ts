/** Whatever was trained: a run's folder, or an adapter of PEFT from elsewhere. */
import * as Effect from "effect/Effect"
import type { RunPlan } from "../../schemas/index.ts"
import type { Runner, Writing } from "../kinds/index.ts"
import type { Inputs } from "../output/index.ts"
import { isAdapter, type LoadAdapterOptions, loadAdapter } from "./load-adapter.ts"
import { loadRun } from "./load-run.ts"
import { RunError } from "./run-identity.ts"

/** Loads a run, or an adapter. The model lives as long as the scope. */
export const loadTrained = (place: string, options: LoadAdapterOptions = {}) =>
  Effect.flatMap(isAdapter(place), (foreign) => (foreign ? loadAdapter(place, options) : loadRun(place, options)))

/** What was trained to write texts. */
export interface WritingRun extends Writing {
  readonly plan: RunPlan
  readonly steps: number
  readonly inputs: Inputs
  readonly generation: NonNullable<Runner["generation"]>
}

/** The same of a causal language model, to generate with. */
export const loadCausalRun = (directory: string, options: LoadAdapterOptions = {}) =>
  Effect.gen(function* () {
    const run = yield* loadTrained(directory, options)
    const { plan, steps, inputs } = run
    const { generation } = run.kind
    if (generation !== undefined) {
      const writing: WritingRun = { ...generation.writing(run), steps, inputs, generation }
      return writing
    }
    const reason = `is a run of a classifier (data.format "${plan.data.format}"), which writes no text: use predict`
    return yield* new RunError({ directory, reason })
  })
