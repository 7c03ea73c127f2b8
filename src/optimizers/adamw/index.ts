/** AdamW in plans. */
import { type AdamwConfig, optimizerFacts } from "../../../schemas/index.ts"
import { nothingShared, type Optimizer, plannedMoments, twoMoments } from "../optimizer.ts"

/** AdamW. */
export const adamwOptimizer: Optimizer<AdamwConfig> = {
  ...optimizerFacts.adamw,
  load: () => import("./parts.ts"),
  shared: () => nothingShared,
  state: () => twoMoments,
  moments: plannedMoments,
  compared: {}
}
