/** A rate that was found on the first batches, and what a run is made of with it. */

import * as Schema from "effect/Schema"
import type { DecidedOptimizer, OptimizerConfig } from "../../schemas/index.ts"
import { counted } from "../boundary/index.ts"

/** As a run records it. */
export const FoundRate = Schema.Struct({
  /** what the optimizer peaks at, for all but the head */
  learningRate: Schema.Finite.check(Schema.isGreaterThan(0)),
  /** absent: there is no head, or the plan has its rate */
  headLearningRate: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  /** in a sentence */
  reason: Schema.String,
  /** passes over the rows of a step that it took */
  passes: Schema.Struct({
    /** passes forward and backward */
    backward: Schema.Natural,
    /** passes forward alone */
    forward: Schema.Natural
  })
})
export type FoundRate = typeof FoundRate.Type

/** The section with the rate that was found in place of "auto". */
export const withRate = (
  config: OptimizerConfig,
  { learningRate, headLearningRate }: Pick<FoundRate, "learningRate" | "headLearningRate">
): DecidedOptimizer => ({ ...config, learningRate, ...(headLearningRate === undefined ? {} : { headLearningRate }) })

/** "7 forward passes beside 1 gradient": what it cost, in words. */
export const passesText = ({ passes: { backward, forward } }: FoundRate): string =>
  `${counted(forward, "forward pass", "forward passes")} beside ${backward} gradient`
