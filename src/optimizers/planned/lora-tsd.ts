/** LoRA-TSD as a plan names it. What it becomes: `../parts/lora-tsd.ts`. */
import { type LoraTsdConfig, optimizerFacts } from "../../../schemas/index.ts"
import { type Optimizer, perFactor, whitenedOnce } from "../optimizer.ts"

export const loraTsdOptimizer: Optimizer<LoraTsdConfig> = {
  ...optimizerFacts["lora-tsd"],
  load: () => import("../parts/lora-tsd.ts"),
  shared: () => whitenedOnce,
  state: ({ momentum }) => ({ pair: perFactor(momentum > 0 ? 1 : 0), perDense: 2 }),
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: {
    "lora-tsd": {
      label: optimizerFacts["lora-tsd"].label,
      learningRates: [2e-3, 5e-3, 1e-2, 2e-2, 5e-2],
      section: (shared, moments, own) => ({
        kind: "lora-tsd",
        ...(own === undefined ? {} : { tau: own.tau, momentum: own.momentum, x: own.x, damping: own.damping }),
        ...shared,
        ...moments
      })
    }
  }
}
