/** How long a fit lasts: epochs, and steps where the plan counts those. */
import * as Result from "effect/Result"
import type { AdapterMethod } from "../../../adapters/index.ts"
import type { AdaptationPlan, PlanProblem } from "../../../schemas/index.ts"
import type { FitOptions } from "./options.ts"
import type { Source } from "./source.ts"

export interface Extent {
  readonly from: number
  /** the epoch after the last; infinite where steps end it */
  readonly to: number
  /** steps at most */
  readonly steps: number
  /** steps in all, where known: what schedules are laid out over */
  readonly total: number
}

/** `epochs`: unless options or plan say something. */
export const extentOf = (
  {
    plan,
    method,
    epochs
  }: { readonly plan: AdaptationPlan; readonly method: AdapterMethod<unknown>; readonly epochs: number | undefined },
  options: FitOptions,
  { batches }: Pick<Source, "batches">
): Result.Result<Extent, ReadonlyArray<PlanProblem>> => {
  const { training, optimizer } = plan
  const from = options.initialEpoch ?? 0
  const to = options.epochs ?? training.epochs ?? (training.steps === undefined ? epochs : Number.POSITIVE_INFINITY)
  if (to === undefined) {
    const message =
      "missing; expected an integer of at least 1, here or as plan.training.epochs, or plan.training.steps"
    return Result.fail([{ path: "epochs", message }])
  }
  if (from >= to) {
    const message = `found ${from} with ${to} epochs; epochs is the one after the last: expected it larger`
    return Result.fail([{ path: "initialEpoch", message }])
  }
  const steps = training.steps ?? Number.POSITIVE_INFINITY
  const counted =
    batches === undefined ? Number.POSITIVE_INFINITY : (to - from) * Math.ceil(batches / training.accumulate)
  const total = Math.min(steps, counted)
  const { kind, warmup = 0 } = optimizer.schedule
  if (!Number.isFinite(total) && (kind !== "constant" || warmup > 0 || method.allocation !== null)) {
    const why =
      method.allocation === null
        ? `the schedule "${kind}"${warmup > 0 ? " with warmup" : ""}`
        : `the method "${method.tag}"`
    const message = `missing; ${why} has to know how many steps there will be, and this dataset does not count its batches: expected batchesPerEpoch, or plan.training.steps`
    return Result.fail([{ path: "batchesPerEpoch", message }])
  }
  return Result.succeed({ from, to, steps, total: Number.isFinite(total) ? total : Number.MAX_SAFE_INTEGER })
}
