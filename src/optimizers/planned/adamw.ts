/** AdamW as a plan names it. What it becomes: `../parts/adamw.ts`. */
import { type AdamwConfig, optimizerFacts } from "../../../schemas/index.ts"
import { type Optimizer, twoMoments } from "../optimizer.ts"

export const adamwOptimizer: Optimizer<AdamwConfig> = {
  ...optimizerFacts.adamw,
  load: () => import("../parts/adamw.ts"),
  state: () => twoMoments,
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: {}
}
