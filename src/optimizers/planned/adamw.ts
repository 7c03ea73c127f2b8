/** AdamW as a plan names it. Its equations and transforms: `../adamw.ts`. */
import { type AdamwConfig, optimizerFacts } from "../../../schemas/index.ts"
import { type Optimizer, twoMoments } from "../optimizer.ts"

export const adamwOptimizer: Optimizer<AdamwConfig> = {
  ...optimizerFacts.adamw,
  load: () => import("../adamw.ts"),
  state: () => twoMoments,
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: {}
}
