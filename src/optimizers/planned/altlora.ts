/** AltLoRA as a plan names it. What it becomes: `../parts/altlora.ts`. */
import { type AltLoraConfig, optimizerFacts } from "../../../schemas/index.ts"
import { type ComparedOptimizer, type Optimizer, perFactor, whitenedOnce } from "../optimizer.ts"

/** A method of `compare`. */
export const altLoraCompared = (
  kind: "altlora" | "altlora-plus",
  learningRates: ReadonlyArray<number>
): ComparedOptimizer<Pick<AltLoraConfig, "variant" | "damping">> => ({
  label: optimizerFacts[kind].label,
  learningRates,
  section: (shared, moments, own) => ({
    kind,
    ...(own === undefined ? {} : { variant: own.variant, damping: own.damping }),
    ...shared,
    ...moments
  })
})

export const altloraOptimizer: Optimizer<AltLoraConfig> = {
  ...optimizerFacts.altlora,
  load: () => import("../parts/altlora.ts"),
  shared: () => whitenedOnce,
  state: () => ({ pair: perFactor(2), perDense: 2 }),
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: { altlora: altLoraCompared("altlora", [3e-2, 1e-1, 3e-1, 1]) }
}
