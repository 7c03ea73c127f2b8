/** Transforms of LoRA-RITE's section. */
import type { LoraRiteConfig } from "../../../schemas/index.ts"
import { adamwParts } from "../adamw/transform.ts"
import { addDecayedWeights } from "../decay.ts"
import type { Parts } from "../optimizer.ts"
import { scaleByLearningRate } from "../schedule.ts"
import { chain } from "../transform.ts"
import { balanceFactors, loraRite } from "./transform.ts"

export const parts: Parts<LoraRiteConfig> = (config, rates) => {
  const { betas, epsilon: eps, balance, weightDecay, clipUnmagnified, skip, cap } = config
  const [b1, b2] = betas
  return {
    body: chain(
      loraRite({ b1, b2, eps, clipUnmagnified, skip, cap, escape: config.escape }),
      addDecayedWeights(weightDecay),
      scaleByLearningRate(rates.body),
      ...(balance ? [balanceFactors] : [])
    ),
    ...adamwParts(config, rates)
  }
}
