/** Transforms of LoRA-Pro's section. */
import type { LoraProConfig } from "../../../schemas/index.ts"
import type { RanksShape } from "../../ranks/index.ts"
import { adamOptions, adamwParts, scaleByAdam } from "../adamw/transform.ts"
import { addDecayedWeights, addProductDecay } from "../decay.ts"
import type { Parts } from "../optimizer.ts"
import { pairsAmong } from "../pairs-among.ts"
import { type Schedule, scaleByLearningRate } from "../schedule.ts"
import { chain, type Transform } from "../transform.ts"
import { factoredAdam } from "./factored-adam.ts"
import { scaleByInvariantAdam } from "./invariant-adam.ts"
import { loraPro } from "./transform.ts"

/** The forms of the paper: everything but heads. */
const forms = {
  full: ({ x, damping, weightDecay, ...config }, rate, ranks) =>
    chain(
      loraPro({
        inner: config.moments === "factored" ? factoredAdam(adamOptions(config)) : scaleByAdam(adamOptions(config)),
        x,
        damping,
        ...(ranks.size === 1 ? {} : { sharing: pairsAmong(ranks) })
      }),
      scaleByLearningRate(rate),
      addProductDecay(weightDecay, rate)
    ),
  efficient: ({ x, damping, weightDecay, ...config }, rate) =>
    chain(
      loraPro({ x, damping }),
      config.moments === "invariant" ? scaleByInvariantAdam(adamOptions(config)) : scaleByAdam(adamOptions(config)),
      addDecayedWeights(weightDecay),
      scaleByLearningRate(rate)
    ),
  sgd: ({ x, damping, weightDecay }, rate) =>
    chain(loraPro({ x, damping }), addDecayedWeights(weightDecay), scaleByLearningRate(rate))
} satisfies {
  readonly [Name in LoraProConfig["form"]]: (config: LoraProConfig, rate: Schedule, ranks: RanksShape) => Transform
}

export const parts: Parts<LoraProConfig> = (config, rates, _, ranks) => ({
  body: forms[config.form](config, rates.body, ranks),
  ...adamwParts(config, rates)
})
