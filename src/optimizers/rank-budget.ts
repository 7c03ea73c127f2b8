/** What is known of AdaLoRA's rank allocation before a run has it; the transform is loaded with the first run that allocates ranks. */
import * as Effect from "effect/Effect"
import type { RankAllocationOptions, RankBudget } from "./rank-allocation.ts"
import type { Transform } from "./transform.ts"

/** Returns t₀ and t₁ of a run of `steps` steps from fractions of it; t₀ < t₁ ≤ steps, however short the run. */
export const budgetSteps = (
  shares: {
    /** t₀ as a fraction of all steps, in [0, 1): all ranks stay until then */
    readonly start: number
    /** t₁ as a fraction of all steps, in (0, 1]: ranks are constant from then on */
    readonly end: number
    /** number of steps between allocations */
    readonly every: number
  },
  steps: number
): Pick<RankBudget, "start" | "end" | "every"> => {
  const end = Math.max(1, Math.round(shares.end * steps))
  return { start: Math.min(Math.round(shares.start * steps), end - 1), end, every: shares.every }
}

/** Loads `allocateRanks` and wraps the inner optimizer with it. */
export const withAllocatedRanks = (inner: Transform, options: RankAllocationOptions): Effect.Effect<Transform> =>
  Effect.map(
    Effect.promise(() => import("./rank-allocation.ts")),
    ({ allocateRanks }) => allocateRanks(inner, options)
  )
