/** AltLoRA and AltLoRA+ in plans. */
import { type AltLoraConfig, type AltLoraPlusConfig, optimizerFacts } from "../../../schemas/index.ts"
import { comparedAs, type Optimizer, perFactor, plannedMoments, whitenedOnce } from "../optimizer.ts"

const compared = (kind: "altlora" | "altlora-plus", learningRates: ReadonlyArray<number>) =>
  comparedAs<Pick<AltLoraConfig, "variant" | "damping">>({ kind }, optimizerFacts[kind].label, learningRates, [
    "variant",
    "damping"
  ])

/** AltLoRA. */
export const altloraOptimizer: Optimizer<AltLoraConfig> = {
  ...optimizerFacts.altlora,
  load: () => import("./parts.ts"),
  shared: () => whitenedOnce,
  state: () => ({ pair: perFactor(2), perDense: 2 }),
  moments: plannedMoments,
  compared: { altlora: compared("altlora", [3e-2, 1e-1, 3e-1, 1]) }
}

/** AltLoRA+. */
export const altloraPlusOptimizer: Optimizer<AltLoraPlusConfig> = {
  ...optimizerFacts["altlora-plus"],
  load: () => import("./parts.ts").then(({ plusParts }) => ({ parts: plusParts })),
  shared: () => whitenedOnce,
  state: () => ({ pair: perFactor(3), perDense: 2 }),
  moments: plannedMoments,
  compared: { "altlora-plus": compared("altlora-plus", [1.3e-4, 2.5e-4, 5e-4, 1e-3, 2e-3]) }
}
