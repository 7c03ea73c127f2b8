/** Transforms of LoRA-TSD's section. */
import type { LoraTsdConfig } from "../../../schemas/index.ts"
import { adamwParts } from "../adamw/transform.ts"
import { addDecayedWeights } from "../decay.ts"
import { loraPro } from "../lora-pro/transform.ts"
import type { Parts } from "../optimizer.ts"
import { scaleByLearningRate } from "../schedule.ts"
import { ema } from "../sgd/transform.ts"
import { chain } from "../transform.ts"
import { tangentSigns } from "./transform.ts"

/** Creates the transforms; dense tensors and heads use AdamW. */
export const parts: Parts<LoraTsdConfig> = ({ tau, momentum, x, damping, ...config }, rates) => ({
  body: chain(
    ema({ decay: momentum }),
    loraPro(tau === 0 ? { x, damping } : { inner: tangentSigns({ tau, damping }), x, damping }),
    addDecayedWeights(config.weightDecay),
    scaleByLearningRate(rates.body)
  ),
  ...adamwParts(config, rates)
})
