/** AltLoRA+ in a plan; its equations and its transform: `altlora.ts`, of which it is one with a second moment. */
import { type AltLoraPlusConfig, optimizerFacts } from "../../schemas/index.ts"
import { altLoraCompared, altLoraParts, altLoraPlus } from "./altlora.ts"
import { type Optimizer, perFactor } from "./optimizer.ts"

export const altloraPlusOptimizer: Optimizer<AltLoraPlusConfig> = {
  ...optimizerFacts["altlora-plus"],
  parts: altLoraParts(altLoraPlus),
  state: () => ({ pair: perFactor(3), perDense: 2 }),
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: { "altlora-plus": altLoraCompared("altlora-plus", [1e-3, 2e-3, 4e-3, 8e-3]) }
}
