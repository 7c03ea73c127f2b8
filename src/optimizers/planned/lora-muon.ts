/** LoRA-Muon as a plan names it. What it becomes: `../parts/lora-muon.ts`. */
import { type LoraMuonConfig, optimizerFacts } from "../../../schemas/index.ts"
import { type Optimizer, perFactor, whitenedOnce } from "../optimizer.ts"

export const loraMuonOptimizer: Optimizer<LoraMuonConfig> = {
  ...optimizerFacts["lora-muon"],
  load: () => import("../parts/lora-muon.ts"),
  shared: () => whitenedOnce,
  state: () => ({ pair: perFactor(1), perDense: 2 }),
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: {
    "lora-muon": {
      label: optimizerFacts["lora-muon"].label,
      learningRates: [2e-3, 5e-3, 1e-2, 2e-2, 5e-2],
      section: (shared, moments, own) => ({
        kind: "lora-muon",
        ...(own === undefined ? {} : { momentum: own.momentum, damping: own.damping }),
        ...shared,
        ...moments
      })
    }
  }
}
