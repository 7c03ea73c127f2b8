/** The beginning of a run whose init looks at training data. Loaded where a plan has such an init. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Device } from "../device/device.ts"
import type { Runner } from "../kinds/index.ts"
import type { Network } from "../models/index.ts"
import { type calibrationOfPlan, injectPlan, type ResolvedPlan } from "../plan/index.ts"
import { calibrating } from "../training/index.ts"
import { Progress } from "./progress.ts"

type Looks = NonNullable<ReturnType<typeof calibrationOfPlan>>

/** A loaded model with the plan's adapter at step 0, after a look at the first batches as training will see them. */
export const calibrated = (runner: Runner, model: Network, resolved: ResolvedPlan, calibration: Looks) =>
  Effect.gen(function* () {
    const tell = yield* Progress
    const device = yield* Device
    device.label(`what adapter.init "${calibration.init}" looks at`)
    const batches = `${calibration.batches} training ${calibration.batches === 1 ? "batch" : "batches"}`
    yield* tell({ kind: "notice", message: `looks at ${batches} for adapter.init "${calibration.init}"` })
    const scope = yield* Effect.scope
    return yield* Effect.gen(function* () {
      const first = yield* Stream.runCollect(
        Stream.take(runner.batches(model, resolved, { epoch: 0, batch: 0 }), calibration.batches)
      )
      const calibrate = yield* calibrating(model, {
        batches: first,
        loss: runner.loss(model, resolved),
        recompute: resolved.plan.training.recompute,
        sites: resolved.selected.sites.map(({ site }) => site)
      })
      return yield* Scope.provide(injectPlan(model, resolved, calibrate), scope)
    }).pipe(Effect.scoped)
  })
