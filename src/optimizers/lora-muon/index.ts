/** LoRA-Muon in plans. */
import { type LoraMuonConfig, optimizerFacts } from "../../../schemas/index.ts"
import { comparedAs, type Optimizer, perFactor, plannedMoments, whitenedOnce } from "../optimizer.ts"

/** LoRA-Muon. */
export const loraMuonOptimizer: Optimizer<LoraMuonConfig> = {
  ...optimizerFacts["lora-muon"],
  load: () => import("./parts.ts"),
  shared: () => whitenedOnce,
  state: () => ({ pair: perFactor(1), perDense: 2 }),
  moments: plannedMoments,
  compared: {
    "lora-muon": comparedAs(
      { kind: "lora-muon" },
      optimizerFacts["lora-muon"].label,
      [2e-3, 5e-3, 1e-2, 2e-2, 5e-2],
      ["momentum", "damping"]
    )
  }
}
