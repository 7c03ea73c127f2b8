/**
 * Lion: moves every entry by the same amount, in the direction of an interpolated momentum (Chen et al. 2023, arXiv 2302.06675,
 * Algorithm 2).
 *
 *   u = sign(β₁m + (1−β₁)g)        m ← β₂m + (1−β₂)g        p ← p − η(u + λp)
 *
 * Shapes: m, u as g. One moment instead of Adam's two. A step is as large as the learning rate, whatever the gradient: the paper
 * recommends a third to a tenth of AdamW's rate, and 3 to 10 times its decay. Inside LoRA-Pro (`loraPro({ inner: scaleByLion() })`) it sees the
 * equivalent gradient [out, in] of each weight.
 *
 * If β₁m + (1−β₁)g is not finite, neither is u: the sign alone would hide it, and a diverged run would continue.
 *
 * @example
 * import { chain, scaleByLearningRate, scaleByLion } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = chain(scaleByLion(), scaleByLearningRate(1e-4))
 */
import type * as tf from "@tensorflow/tfjs-core"
import { lionSettings, settled, wholeSettings } from "../../../schemas/index.ts"
import { lionMoves, stateZeros } from "../../kernels/index.ts"
import { tensorsOf, withTensors } from "../../tensors/index.ts"
import { addDecayedWeights } from "../decay.ts"
import { type Schedule, scaleByLearningRate } from "../schedule.ts"
import { chain, type Transform } from "../transform.ts"

/** Parameters of Lion's momentum. */
export interface LionMoments {
  /** β₁, interpolation of the direction, in [0, 1); default 0.9 */
  readonly b1?: number
  /** β₂, decay of the momentum, in [0, 1); default 0.99 */
  readonly b2?: number
}

/** State of `scaleByLion`: m, in the order of `tensorsOf`. */
export type LionState = ReadonlyArray<tf.Tensor>

/** Creates Lion without learning rate (arXiv 2302.06675): the sign of an interpolation between momentum and gradient. */
export const scaleByLion = (options: LionMoments = {}): Transform<LionState> => {
  const moments = settled("scaleByLion", lionSettings, options)
  return {
    init: (params) => tensorsOf(params).map(({ shape }) => stateZeros(shape)),
    update: (updates, state) => {
      const { u, moment } = lionMoves(tensorsOf(updates), state, moments)
      return { updates: withTensors(updates, u), state: moment }
    }
  }
}

/** Options for `lion`. */
export interface LionOptions extends LionMoments {
  /** learning rate η, a number or a schedule */
  readonly learningRate: Schedule | number
  /** decoupled weight decay λ, at least 0; default 0 */
  readonly weightDecay?: number
}

/** Creates Lion with decoupled weight decay. */
export const lion = (options: LionOptions): Transform => {
  const { learningRate, weightDecay, ...moments } = settled("lion", { ...lionSettings, ...wholeSettings }, options)
  return chain(scaleByLion(moments), addDecayedWeights(weightDecay), scaleByLearningRate(learningRate))
}
