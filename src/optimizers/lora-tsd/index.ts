/** LoRA-TSD in plans. */
import { type LoraTsdConfig, optimizerFacts } from "../../../schemas/index.ts"
import { comparedAs, type Optimizer, perFactor, plannedMoments, whitenedOnce } from "../optimizer.ts"

/** LoRA-TSD. */
export const loraTsdOptimizer: Optimizer<LoraTsdConfig> = {
  ...optimizerFacts["lora-tsd"],
  load: () => import("./parts.ts"),
  shared: () => whitenedOnce,
  state: ({ momentum }) => ({ pair: perFactor(momentum > 0 ? 1 : 0), perDense: 2 }),
  moments: plannedMoments,
  compared: {
    "lora-tsd": comparedAs(
      { kind: "lora-tsd" },
      optimizerFacts["lora-tsd"].label,
      [2e-3, 5e-3, 1e-2, 2e-2, 5e-2],
      ["tau", "momentum", "x", "damping"]
    )
  }
}
