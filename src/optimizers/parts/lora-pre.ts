/** What LoRA-Pre in a plan becomes. */
import type { LoraPreConfig } from "../../../schemas/index.ts"
import { adamOptions, adamwParts } from "../adamw.ts"
import { addDecayedWeights } from "../decay.ts"
import { scaleByLoraPre } from "../lora-pre.ts"
import type { Parts } from "../optimizer.ts"
import { scaleByLearningRate } from "../schedule.ts"
import { chain } from "../transform.ts"

export const parts: Parts<LoraPreConfig> = (config, rates) => ({
  body: chain(
    scaleByLoraPre({ rank: config.rank, ...adamOptions(config) }),
    addDecayedWeights(config.weightDecay),
    scaleByLearningRate(rates.body)
  ),
  head: adamwParts(config, rates).head
})
