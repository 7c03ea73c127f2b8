/** Transforms of LoRA-Muon's section. */
import type { LoraMuonConfig } from "../../../schemas/index.ts"
import { adamwParts } from "../adamw/transform.ts"
import { addSplitDecay } from "../decay.ts"
import type { Parts } from "../optimizer.ts"
import { scaleByLearningRate } from "../schedule.ts"
import { ema } from "../sgd/transform.ts"
import { chain } from "../transform.ts"
import { loraMuon } from "./transform.ts"

/** Creates the transforms; dense tensors and heads use AdamW. */
export const parts: Parts<LoraMuonConfig> = (config, rates) => ({
  body: chain(
    ema({ decay: config.momentum }),
    loraMuon({ damping: config.damping }),
    scaleByLearningRate(rates.body),
    addSplitDecay(config.weightDecay, rates.body)
  ),
  ...adamwParts(config, rates)
})
