/** Loads a run's merged model with the run's kind, to measure the accuracy that a smaller export loses. */
import * as Effect from "effect/Effect"
import { unadapted } from "../../adapters/index.ts"
import { type Device, ofDevice } from "../device/device.ts"
import type { DeviceError } from "../device/index.ts"
import type { Reported, World } from "../kinds/index.ts"
import { selectSites } from "../plan/index.ts"
import { type DescribedRun, type LoadedRun, withBase } from "./load-run.ts"

/** A merged model under the kind and plan of its run. */
type MergedRun = Pick<LoadedRun, "kind" | "plan" | "adapted" | "steps" | "inputs">

/** Loads the model at `source` without trainable parameters, for `evaluateRun`, until the scope closes. */
export const loadMerged = (
  { kind, plan: trainedPlan }: Pick<DescribedRun, "kind" | "plan">,
  source: string
): Effect.Effect<MergedRun, Reported | DeviceError, Device | World> =>
  Effect.gen(function* () {
    const plan = withBase(trainedPlan, source)
    const model = yield* kind.describe(plan)
    const selected = yield* Effect.fromResult(selectSites(plan, model))
    const adapted = yield* unadapted(yield* kind.load({ plan, selected, model }))
    return { kind, plan, adapted, steps: Number.NaN, inputs: {} }
  }).pipe(ofDevice)
