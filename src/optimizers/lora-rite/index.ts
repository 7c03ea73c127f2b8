/** LoRA-RITE in plans. */
import { type LoraRiteConfig, optimizerFacts } from "../../../schemas/index.ts"
import { type Optimizer, pickedFrom, whitenedOnce } from "../optimizer.ts"

/** LoRA-RITE. */
export const loraRiteOptimizer: Optimizer<LoraRiteConfig> = {
  ...optimizerFacts["lora-rite"],
  load: () => import("./parts.ts"),
  shared: () => whitenedOnce,
  state: (config) => ({
    pair: ({ rank, in: inputs, out }) => 2 * rank * (inputs + out) + 2 * rank * rank + (config.escape ? 2 : 0),
    perDense: 2
  }),
  moments: null,
  compared: {
    "lora-rite": {
      label: optimizerFacts["lora-rite"].label,
      learningRates: [6e-5, 1.3e-4, 2.5e-4, 5e-4, 1e-3],
      // of Adam's moments it has β₁ and β₂, and instead of clipNorm a norm of its own
      section: ({ clipNorm: _, ...shared }, { betas }, loraRite) => ({
        kind: "lora-rite",
        ...pickedFrom(loraRite, ["epsilon", "clipUnmagnified", "skip", "cap", "escape", "balance"]),
        ...shared,
        ...(betas === undefined ? {} : { betas })
      })
    }
  }
}
