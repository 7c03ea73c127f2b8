/** LoRA+ in plans. */
import { type LoraPlusConfig, optimizerFacts } from "../../../schemas/index.ts"
import { comparedAs, nothingShared, type Optimizer, plannedMoments, twoMoments } from "../optimizer.ts"

/** LoRA+. */
export const loraPlusOptimizer: Optimizer<LoraPlusConfig> = {
  ...optimizerFacts["lora-plus"],
  load: () => import("./parts.ts"),
  shared: () => nothingShared,
  state: () => twoMoments,
  moments: plannedMoments,
  compared: {
    "lora-plus": comparedAs(
      { kind: "lora-plus" },
      optimizerFacts["lora-plus"].label,
      [1e-4, 2e-4, 4e-4, 8e-4],
      ["ratio"]
    )
  }
}
