/** The start of a run whose init uses training data. Loaded only if a plan has such an init. */

import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SiteRanks } from "../../adapters/index.ts"
import { counted } from "../boundary/index.ts"
import { Device } from "../device/device.ts"
import type { Runner } from "../kinds/index.ts"
import type { Network } from "../models/index.ts"
import { type calibrationOfPlan, injectPlan, type ResolvedPlan } from "../plan/index.ts"
import { calibrating } from "../training/index.ts"
import { notice } from "./progress.ts"

type Looks = NonNullable<ReturnType<typeof calibrationOfPlan>>

/** Returns a loaded model with the plan's adapter at step 0, calibrated on the first batches as training will see them. */
export const calibrated = (runner: Runner, model: Network, resolved: ResolvedPlan, calibration: Looks) =>
  Effect.gen(function* () {
    const device = yield* Device
    device.label(`calibration of adapter.init "${calibration.init}"`)
    const batches = counted(calibration.batches, "training batch", "training batches")
    yield* notice(`calibrating adapter.init "${calibration.init}" on ${batches}`)
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
      const adapted = yield* Scope.provide(injectPlan(model, resolved, calibrate), scope)
      const { ranks } = adapted.selected
      if (ranks !== undefined) yield* notice(ranksText(calibration.init, ranks))
      return adapted
    }).pipe(Effect.scoped)
  }).pipe(Effect.withSpan("calibrate"))

/** Returns one sentence on the ranks that an init decided; run.json lists them by layer. */
const ranksText = (init: string, ranks: SiteRanks): string => {
  const all = Object.values(ranks)
  const adapted = all.filter((rank) => rank > 0)
  const sum = all.reduce((total, rank) => total + rank, 0)
  const none = all.length - adapted.length
  const unadapted =
    none === 0 ? "" : `; ${none} ${none === 1 ? "layer gets rank 0 and is" : "layers get rank 0 and are"} not adapted`
  return `adapter.init "${init}" gives ${counted(adapted.length, "layer")} ranks from ${Math.min(...adapted)} to ${Math.max(...adapted)}, ${sum} in total${unadapted}`
}
