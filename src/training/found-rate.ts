/** A learning rate found on the first batches, and the settings of a run with it. */

import * as Schema from "effect/Schema"
import type { DecidedOptimizer, OptimizerConfig } from "../../schemas/index.ts"
import { counted } from "../boundary/index.ts"

/** Record of a found learning rate. */
export const FoundRate = Schema.Struct({
  /** peak learning rate of all parameters except the head's */
  learningRate: Schema.Finite.check(Schema.isGreaterThan(0)),
  /** peak learning rate of the head; absent: there is no head, or the plan sets its rate */
  headLearningRate: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  /** explanation, one sentence */
  reason: Schema.String,
  /** number of passes over the rows of a step that the search took */
  passes: Schema.Struct({
    /** forward and backward passes */
    backward: Schema.Natural,
    /** forward passes only */
    forward: Schema.Natural
  })
})
export type FoundRate = typeof FoundRate.Type

/** Returns the optimizer section with the found rate instead of "auto". */
export const withRate = (
  config: OptimizerConfig,
  { learningRate, headLearningRate }: Pick<FoundRate, "learningRate" | "headLearningRate">
): DecidedOptimizer => ({ ...config, learningRate, ...(headLearningRate === undefined ? {} : { headLearningRate }) })

/** Returns the cost of the search in words: its forward passes and gradients. */
export const passesText = ({ passes: { backward, forward } }: FoundRate): string =>
  `${counted(forward, "forward pass", "forward passes")} and ${backward} gradient`
