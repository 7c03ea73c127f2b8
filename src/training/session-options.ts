/** Options of `openSession`, with the defaults and the error messages of a plan's `training` section. */
import * as Effect from "effect/Effect"
import { accumulatedBatches, type OptionsError, recomputeChoice, settled } from "../../schemas/index.ts"
import { isRecord } from "../boundary/index.ts"
import type { Model, Network } from "../models/index.ts"
import type { Transform } from "../optimizers/index.ts"
import type { Loss } from "./loss.ts"

/** Options for `openSession`: optimizer, loss, and how a step is divided. */
export interface SessionOptions<M extends Network = Model> {
  /** optimizer of the trainable parameters */
  readonly optimizer: Transform
  /** loss to minimize */
  readonly loss: Loss<M>
  /** gradient accumulation: number of batches averaged into one step; default 1 */
  readonly accumulate?: number
  /** "blocks": recomputes the activations of the model's blocks in the backward pass instead of keeping them; default "none" */
  readonly recompute?: "none" | "blocks"
}

const isFunction = (value: unknown): boolean => typeof value === "function"

const settings = {
  optimizer: {
    of: {
      expected: "an optimizer, such as adamw({ learningRate: 1e-3 }) or the result of fromConfig",
      is: (value: unknown) => isRecord(value) && isFunction(value["init"]) && isFunction(value["update"])
    }
  },
  loss: { of: { expected: "a loss, such as Training.crossEntropy", is: isFunction } },
  accumulate: accumulatedBatches,
  recompute: recomputeChoice
}

/** Returns all options. Fails with all problems. */
export const settledSession = <M extends Network>(
  options: SessionOptions<M>
): Effect.Effect<Required<SessionOptions<M>>, OptionsError> =>
  Effect.try({
    try: () => settled("Training.openSession", settings, options),
    catch: (error) => error as OptionsError
  })
