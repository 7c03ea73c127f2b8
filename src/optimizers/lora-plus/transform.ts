/**
 * LoRA+: AdamW with a learning rate for B that is `ratio` times that of A (Hayou et al. 2024, arXiv 2402.12354).
 *
 *   A ← A − η(u_A + λA)        B ← B − ratio·η(u_B + λB)        u: Adam's directions
 *
 * In wide layers no single rate lets both factors learn efficiently; the paper recommends η_B/η_A ≫ 1, and
 * suggests 16.
 *
 * Weight decay is decoupled and goes with the rate: B shrinks by 1 − ratio·ηλ, as in parameter groups of
 * torch.optim.AdamW, of which the authors and PEFT 0.21 (`create_loraplus_optimizer`) make their optimizer. One
 * difference to both: they give the ratio to every one-dimensional tensor too (DoRA's magnitudes, biases), for which the
 * paper has no argument; here only B has it.
 *
 * @see arXiv 2402.12354
 * @example
 * import { loraPlus } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = loraPlus({ learningRate: 1e-4, ratio: 16 })
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import { adamwSettings, rateRatio, settled } from "../../../schemas/index.ts"
import { scaled } from "../../kernels/index.ts"
import type { Trainable } from "../../tensors/index.ts"
import { type AdamOptions, scaleByAdam } from "../adamw/transform.ts"
import { addDecayedWeights } from "../decay.ts"
import { type Schedule, scaleByLearningRate } from "../schedule.ts"
import { chain, type State, type Transform } from "../transform.ts"

/** Options for `loraPlus`. */
export interface LoraPlusOptions extends AdamOptions {
  /** learning rate η of A */
  readonly learningRate: Schedule | number
  /** ratio η_B/η_A, greater than 0; default 16 */
  readonly ratio?: number
  /** decoupled weight decay λ, at least 0; default 0 */
  readonly weightDecay?: number
}

const withScaledB = (updates: Trainable, ratio: number): Trainable => {
  const scaledB = scaled(
    ratio,
    updates.pairs.map(({ B }) => B)
  ) as ReadonlyArray<Tensor2D>
  return { pairs: updates.pairs.map((pair, i) => ({ ...pair, B: scaledB[i]! })), dense: updates.dense }
}

/** Multiplies updates of B by `ratio`; all others pass through unchanged. */
export const scaleB = (ratio: number): Transform<null> => ({
  init: () => null,
  update: (updates, state) => ({ updates: withScaledB(updates, ratio), state }),
  direction: (updates) => withScaledB(updates, ratio)
})

/** Creates LoRA+: AdamW with a higher learning rate for B. Dense tensors use AdamW at η. */
export const loraPlus = (options: LoraPlusOptions): Transform<ReadonlyArray<State>> => {
  const settings = { ...adamwSettings, ratio: rateRatio }
  const { learningRate, ratio, weightDecay, ...moments } = settled("loraPlus", settings, options)
  return chain(scaleByAdam(moments), addDecayedWeights(weightDecay), scaleB(ratio), scaleByLearningRate(learningRate))
}
