/** A resolved plan's model loaded as it says, and its adapter section injected: at the sites and with the options that `resolve` chose. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  type Adapted,
  type Calibrate,
  type Calibration,
  type InitError,
  injectSelected,
  methodOf
} from "../../adapters/index.ts"
import type { Network } from "../models/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import type { ResolvedPlan } from "./resolved.ts"

type Selected = Pick<ResolvedPlan, "plan" | "selected">

/** What the plan's init asks of the training data; undefined: nothing. */
export const calibrationOfPlan = ({ plan, selected }: Selected): Calibration | undefined => {
  const first = selected.sites[0]
  return first === undefined ? undefined : methodOf(plan.adapter).calibration?.(first.options)
}

/** The model at step 0. `calibrate`: what training data shows, for inits that need calibration. */
export const injectPlan = <M extends Network>(
  model: M,
  { plan, selected }: Selected,
  calibrate: Calibrate
): Effect.Effect<Adapted<M>, InitError | DeviceReadError, Scope.Scope> =>
  injectSelected(model, methodOf(plan.adapter), selected, plan.seed, calibrate)

/** The same, for trained parameters that will be put in place: nothing that is about to be replaced is worked out. */
export const injectToRestore = <M extends Network>(
  model: M,
  { plan, selected }: Selected
): Effect.Effect<Adapted<M>, InitError | DeviceReadError, Scope.Scope> =>
  injectSelected(model, methodOf(plan.adapter), selected, plan.seed, undefined, true)
