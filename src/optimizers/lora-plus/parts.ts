/** Transforms of LoRA+'s section. */
import type { LoraPlusConfig } from "../../../schemas/index.ts"
import { adamOptions, adamwParts } from "../adamw/transform.ts"
import type { Parts } from "../optimizer.ts"
import { loraPlus } from "./transform.ts"

export const parts: Parts<LoraPlusConfig> = (config, rates) => {
  const { ratio, weightDecay } = config
  return {
    body: loraPlus({ ...adamOptions(config), learningRate: rates.body, ratio, weightDecay }),
    head: adamwParts(config, rates).head
  }
}
