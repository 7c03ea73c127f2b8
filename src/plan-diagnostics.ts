/** What a plan's `training.diagnostics` asks of its steps. */
import * as Effect from "effect/Effect"
import type { Network } from "./models/index.ts"
import type { ResolvedPlan } from "./plan/index.ts"
import { Progress } from "./progress.ts"
import { type DiagnosticsReport, lookedAtSites, type Session, type StepsOptions } from "./training/index.ts"

/** Which steps look at the full gradient, and where. */
export const lookOfPlan = (
  { adapted }: Session<Network>,
  { plan }: ResolvedPlan
): Pick<StepsOptions<never, never>, "look"> => {
  const { diagnostics } = plan.training
  if (diagnostics === undefined) return {}
  const sites = lookedAtSites(adapted.sites, adapted.model.prefix, diagnostics.sites)
  return { look: { every: diagnostics.every, sites, theorem: plan.optimizer.kind === "lora-pro" } }
}

/** One notice for a look, however many sites have something to say. */
export const tellWarnings = ({ warnings }: DiagnosticsReport) =>
  Effect.gen(function* () {
    const [first, ...others] = warnings
    if (first === undefined) return
    const more = others.length === 0 ? "" : `; and ${others.length} more sites likewise (metrics.jsonl)`
    const tell = yield* Progress
    yield* tell({ kind: "notice", message: `warning: ${first}${more}` })
  })
