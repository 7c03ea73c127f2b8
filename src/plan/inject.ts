/** The adapter section of a resolved plan, injected: the sites and options that `resolve` chose are the ones that are adapted. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Adapted, type AdapterMethod, injectSelected, methods } from "../../adapters/index.ts"
import type { Model } from "../models/index.ts"
import type { ResolvedPlan, SiteOptions } from "./resolve.ts"

export const injectPlan = (
  model: Model,
  { plan, selected }: Pick<ResolvedPlan, "plan" | "selected">
): Effect.Effect<Adapted, never, Scope.Scope> =>
  injectSelected(model, methods[plan.adapter.method] as AdapterMethod<SiteOptions> | null, selected, plan.seed)
