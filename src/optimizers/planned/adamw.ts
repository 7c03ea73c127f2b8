/** AdamW as a plan names it. What it becomes: `../parts/adamw.ts`. */
import { type AdamwConfig, optimizerFacts } from "../../../schemas/index.ts"
import { nothingShared, type Optimizer, twoMoments } from "../optimizer.ts"

export const adamwOptimizer: Optimizer<AdamwConfig> = {
  ...optimizerFacts.adamw,
  load: () => import("../parts/adamw.ts"),
  shared: () => nothingShared,
  state: () => twoMoments,
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: {}
}
