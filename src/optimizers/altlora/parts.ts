/** Transforms of AltLoRA's and AltLoRA+'s sections. */
import type { AltLoraConfig } from "../../../schemas/index.ts"
import { adamOptions, adamwParts } from "../adamw/transform.ts"
import type { Parts } from "../optimizer.ts"
import { altLora, altLoraPlus } from "./transform.ts"

const partsOf =
  (make: typeof altLora): Parts<Pick<AltLoraConfig, "variant" | "damping" | "betas" | "epsilon" | "weightDecay">> =>
  (config, rates) => {
    const { variant, damping, weightDecay } = config
    return {
      body: make({ ...adamOptions(config), learningRate: rates.body, weightDecay, variant, damping }),
      head: adamwParts(config, rates).head
    }
  }

export const parts = partsOf(altLora)
export const plusParts = partsOf(altLoraPlus)
