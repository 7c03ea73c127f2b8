/** LoRA-RITE as a plan names it. What it becomes: `../parts/lora-rite.ts`. */
import { type LoraRiteConfig, optimizerFacts } from "../../../schemas/index.ts"
import { type Optimizer, whitenedOnce } from "../optimizer.ts"

export const loraRiteOptimizer: Optimizer<LoraRiteConfig> = {
  ...optimizerFacts["lora-rite"],
  load: () => import("../parts/lora-rite.ts"),
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
      section: ({ clipNorm: _, ...shared }, { betas }, own) => ({
        kind: "lora-rite",
        ...(own === undefined
          ? {}
          : {
              epsilon: own.epsilon,
              clipUnmagnified: own.clipUnmagnified,
              skip: own.skip,
              cap: own.cap,
              escape: own.escape,
              balance: own.balance
            }),
        ...shared,
        ...(betas === undefined ? {} : { betas })
      })
    }
  }
}
