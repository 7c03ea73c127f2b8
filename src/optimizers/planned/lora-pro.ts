/** LoRA-Pro as a plan names it. What it becomes: `../parts/lora-pro.ts`. */
import { type LoraProConfig, optimizerFacts } from "../../../schemas/index.ts"
import { type ComparedOptimizer, type Optimizer, perFactor, type StateSize } from "../optimizer.ts"

/** Of a pair, by the form. */
const kept = {
  full: ({ moments }) => (moments === "factored" ? factored : (shape) => 2 * shape.out * shape.in),
  efficient: ({ moments }) =>
    moments === "invariant" ? ({ rank, in: inputs, out }) => (rank + 1) * (inputs + out) : perFactor(2),
  sgd: () => perFactor(0)
} satisfies { readonly [Name in LoraProConfig["form"]]: (config: LoraProConfig) => StateSize["pair"] }

const factored: StateSize["pair"] = ({ rank, in: inputs, out }) => (2 * rank + 1) * (inputs + out)

/** A form as a method of `compare`. */
const compared = (
  form: LoraProConfig["form"],
  label: string,
  learningRates: ReadonlyArray<number>,
  changes: Pick<LoraProConfig, "moments"> = {}
): ComparedOptimizer<LoraProConfig> => ({
  label,
  learningRates,
  section: (shared, moments, own) => ({
    kind: "lora-pro",
    form,
    ...(own === undefined ? {} : { x: own.x, damping: own.damping }),
    ...shared,
    ...moments,
    ...changes
  })
})

const FULL_RATES = [5e-5, 1e-4, 2e-4, 4e-4]
const LORA_RATES = [5e-4, 1e-3, 2e-3, 4e-3]

/** The full form wants the rates of full fine-tuning, the efficient form those of LoRA. */
export const loraProOptimizer: Optimizer<LoraProConfig> = {
  ...optimizerFacts["lora-pro"],
  load: () => import("../parts/lora-pro.ts"),
  shared: ({ form, moments }) => ({ moves: form === "full" && moments !== "factored", whitenings: 1 }),
  state: (config) => ({ pair: kept[config.form](config), perDense: 2 }),
  moments: ({ betas, epsilon }) => ({ betas, epsilon }),
  compared: {
    "lora-pro": compared("full", "LoRA-Pro", FULL_RATES),
    "lora-pro-factored": compared("full", "LoRA-Pro (factored moments)", FULL_RATES, { moments: "factored" }),
    "lora-pro-efficient": compared("efficient", "LoRA-Pro (efficient)", LORA_RATES),
    "lora-pro-invariant": compared("efficient", "LoRA-Pro (invariant moments)", LORA_RATES, { moments: "invariant" }),
    "lora-pro-sgd": compared("sgd", "LoRA-Pro (SGD)", [1e-2, 3e-2, 1e-1, 3e-1])
  }
}
