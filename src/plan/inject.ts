/** A resolved plan's model loaded as it says, and its adapter section injected: at the sites and with the options that `resolve` chose. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Adapted, type AdapterMethod, injectSelected, methods } from "../../adapters/index.ts"
import type { LoadOptions, Model } from "../models/index.ts"
import type { ResolvedPlan, SiteOptions } from "./resolve.ts"

/** For `loadDescribed`: what is trained itself starts from its own numbers, not from rounded ones. */
export const loadOptionsOf = ({ plan, selected }: Pick<ResolvedPlan, "plan" | "selected">): LoadOptions => ({
  seed: plan.seed,
  weights: plan.model.weights,
  whole: selected.parameters
})

export const injectPlan = (
  model: Model,
  { plan, selected }: Pick<ResolvedPlan, "plan" | "selected">
): Effect.Effect<Adapted, never, Scope.Scope> =>
  injectSelected(model, methods[plan.adapter.method] as AdapterMethod<SiteOptions> | null, selected, plan.seed)
