/** LoRA+ as a plan names it. What it becomes: `../parts/lora-plus.ts`. */
import { type LoraPlusConfig, optimizerFacts } from "../../../schemas/index.ts"
import { nothingShared, type Optimizer, twoMoments } from "../optimizer.ts"

export const loraPlusOptimizer: Optimizer<LoraPlusConfig> = {
  ...optimizerFacts["lora-plus"],
  load: () => import("../parts/lora-plus.ts"),
  shared: () => nothingShared,
  state: () => twoMoments,
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: {
    "lora-plus": {
      label: optimizerFacts["lora-plus"].label,
      learningRates: [1e-4, 2e-4, 4e-4, 8e-4],
      section: (shared, moments, own) => ({
        kind: "lora-plus",
        ...(own === undefined ? {} : { ratio: own.ratio }),
        ...shared,
        ...moments
      })
    }
  }
}
