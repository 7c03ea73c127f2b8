/** AltLoRA+ as a plan names it. What it becomes: `../parts/altlora-plus.ts`. */
import { type AltLoraPlusConfig, optimizerFacts } from "../../../schemas/index.ts"
import { type Optimizer, perFactor, whitenedOnce } from "../optimizer.ts"
import { altLoraCompared } from "./altlora.ts"

export const altloraPlusOptimizer: Optimizer<AltLoraPlusConfig> = {
  ...optimizerFacts["altlora-plus"],
  load: () => import("../parts/altlora-plus.ts"),
  shared: () => whitenedOnce,
  state: () => ({ pair: perFactor(3), perDense: 2 }),
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: { "altlora-plus": altLoraCompared("altlora-plus", [1.3e-4, 2.5e-4, 5e-4, 1e-3, 2e-3]) }
}
