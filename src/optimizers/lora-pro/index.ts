/** LoRA-Pro in plans. */
import { type LoraProConfig, optimizerFacts } from "../../../schemas/index.ts"
import { comparedAs, type Optimizer, perFactor, plannedMoments, type StateSize } from "../optimizer.ts"

/** Of a pair, by the form. */
const pairMoments = {
  full: ({ moments }) => (moments === "factored" ? factored : (shape) => 2 * shape.out * shape.in),
  efficient: ({ moments }) =>
    moments === "invariant" ? ({ rank, in: inputs, out }) => (rank + 1) * (inputs + out) : perFactor(2),
  sgd: () => perFactor(0)
} satisfies { readonly [Name in LoraProConfig["form"]]: (config: LoraProConfig) => StateSize["pair"] }

const factored: StateSize["pair"] = ({ rank, in: inputs, out }) => (2 * rank + 1) * (inputs + out)

/** A form as a method of `compare`. */
const compared = (
  section: Pick<LoraProConfig, "form" | "moments">,
  label: string,
  learningRates: ReadonlyArray<number>
) => comparedAs<LoraProConfig>({ kind: "lora-pro", ...section }, label, learningRates, ["x", "damping"])

const FULL_RATES = [5e-5, 1e-4, 2e-4, 4e-4]
const LORA_RATES = [5e-4, 1e-3, 2e-3, 4e-3]

/** LoRA-Pro. The full form uses the learning rates of full fine-tuning, the efficient form those of LoRA. */
export const loraProOptimizer: Optimizer<LoraProConfig> = {
  ...optimizerFacts["lora-pro"],
  load: () => import("./parts.ts"),
  shared: ({ form, moments }) => ({ moves: form === "full" && moments !== "factored", whitenings: 1 }),
  state: (config) => ({ pair: pairMoments[config.form](config), perDense: 2 }),
  moments: plannedMoments,
  compared: {
    "lora-pro": compared({ form: "full" }, "LoRA-Pro", FULL_RATES),
    "lora-pro-factored": compared({ form: "full", moments: "factored" }, "LoRA-Pro (factored moments)", FULL_RATES),
    "lora-pro-efficient": compared({ form: "efficient" }, "LoRA-Pro (efficient)", LORA_RATES),
    "lora-pro-invariant": compared(
      { form: "efficient", moments: "invariant" },
      "LoRA-Pro (invariant moments)",
      LORA_RATES
    ),
    "lora-pro-sgd": compared({ form: "sgd" }, "LoRA-Pro (SGD)", [1e-2, 3e-2, 1e-1, 3e-1])
  }
}
