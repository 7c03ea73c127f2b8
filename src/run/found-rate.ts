/** The start of a run that finds its own learning rate. Loaded only if the plan does not set one. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../adapters/index.ts"
import { Device } from "../device/device.ts"
import type { Runner } from "../kinds/index.ts"
import type { Network } from "../models/index.ts"
import type { ResolvedPlan } from "../plan/index.ts"
import { findRate, passesText } from "../training/index.ts"
import { notice } from "./progress.ts"

/** Finds a learning rate for a model with the plan's adapter at step 0, on the batches of its first step as training will see them. */
export const foundRate = (runner: Runner, adapted: Adapted<Network>, resolved: ResolvedPlan) =>
  Effect.gen(function* () {
    const device = yield* Device
    const { accumulate, recompute } = resolved.plan.training
    device.label("the learning rate")
    const first = yield* Stream.runCollect(
      Stream.take(runner.batches(adapted.model, resolved, { epoch: 0, batch: 0 }), accumulate)
    )
    const loss = runner.loss(adapted.model, resolved)
    const rate = yield* findRate({ adapted, loss, recompute }, resolved.plan.optimizer, first, resolved.steps)
    yield* device.sync
    yield* notice(`${rate.reason} (${passesText(rate)})`)
    return rate
  }).pipe(Effect.withSpan("find rate"))
