/** A plan and its model, before there are weights or rows. */
import * as Effect from "effect/Effect"
import type { RunPlan } from "../../schemas/index.ts"
import { WeightlessFolders } from "../models/index.ts"
import { countTrainable, ResolveError, selectSites } from "../plan/index.ts"
import type { RunKind, World } from "./contract/index.ts"
import type { JudgedPlan } from "./describe.ts"

/**
 * A plan judged by its model alone: no row is looked at, and a folder without weights has those of its config.json. `kind`: the plan's.
 */
export const judgePlan = (kind: RunKind, plan: RunPlan, name: string): Effect.Effect<JudgedPlan, ResolveError, World> =>
  Effect.gen(function* () {
    const model = yield* kind.describe(plan)
    const selected = yield* Effect.fromResult(selectSites(plan, model))
    const trainable = countTrainable(plan, model, selected)
    const memory = kind.suggesting.estimate(plan, { model, selected, trainable })
    return { plan, name, model, selected, trainable, memory, steps: plan.training.steps }
  }).pipe(
    Effect.mapError(({ message }) => new ResolveError({ name, problems: [message] })),
    Effect.provideService(WeightlessFolders, true)
  )
