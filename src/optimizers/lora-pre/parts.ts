/** Transforms of LoRA-Pre's section. */
import type { LoraPreConfig } from "../../../schemas/index.ts"
import { adamOptions, adamwParts } from "../adamw/transform.ts"
import { addDecayedWeights } from "../decay.ts"
import type { Parts } from "../optimizer.ts"
import { scaleByLearningRate } from "../schedule.ts"
import { chain } from "../transform.ts"
import { scaleByLoraPre } from "./transform.ts"

export const parts: Parts<LoraPreConfig> = (config, rates) => ({
  body: chain(
    scaleByLoraPre({ rank: config.rank, ...adamOptions(config) }),
    addDecayedWeights(config.weightDecay),
    scaleByLearningRate(rates.body)
  ),
  head: adamwParts(config, rates).head
})
