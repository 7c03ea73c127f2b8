/**
 * Riemannian preconditioning: each factor's gradient scaled by the inverse Gram matrix of the other factor
 * (Zhang & Pilanci 2024, arXiv 2402.02347).
 *
 *   dA = (BᵀB+δI)⁻¹ gA        dB = gB (AAᵀ+δI)⁻¹        gA = sBᵀg, gB = sgAᵀ: the ordinary gradients
 *
 * Followed by the learning rate it is the paper's scaled GD, followed by Adam its scaled AdamW: the moments are those of
 * dA and dB. For δ → 0 the move s(B·dA + dB·A) = s²(P_B g + g P_A) of W is the same for every (BR, R⁻¹A), R invertible,
 * while that of plain gradients grows with the factors. LoRA-Pro's theorem subtracts P_B g P_A, which is counted twice
 * here, and divides by s².
 *
 * Computed by whitening, as LoRA-Pro is (`whitening.ts`: T_B T_Bᵀ = (BᵀB+δI)⁻¹), in two thin products each, since an
 * inverse Gram rounded to float32 would be wrong by 1e-7 · cond² of the factor:
 *
 *   dA = T_B (T_Bᵀ gA)        dB = (gB T_A) T_Aᵀ
 *
 * Shapes: A, dA, gA [r, in], B, dB, gB [out, r], T_B, T_A [r, r]. Cost per pair and step: that of whitening, and
 * O(r² (in + out)). State: the whitenings, 5 r² numbers a pair, and no moments of its own.
 *
 * Beside PEFT 0.21 (`create_riemannian_optimizer`): the same, with δ = 1e-2 there by default and 1e-6 here, as in the
 * authors' code. That code computes dB with A as it is after A's own step, and leaves out Adam's bias correction; here, as
 * in the paper's equations and in PEFT, both factors are those before the step, and the correction counts from 1.
 *
 * @see arXiv 2402.02347 (scaled GD; Algorithm 1, scaled AdamW)
 * @example
 * import { chain, riemannian, scaleByAdam, scaleByLearningRate } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = chain(riemannian(), scaleByAdam(), scaleByLearningRate(1e-4))
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { riemannianDamping, settled } from "../../../schemas/index.ts"
import type { Factors, Whitening } from "../../kernels/index.ts"
import { type FactorPair, type Trainable, withFactors } from "../../tensors/index.ts"
import type { Transform } from "../transform.ts"
import {
  conditioningOf,
  notWhitened,
  type WhitenedState,
  whitenedLayout,
  whiteningsFor,
  whitenPairs
} from "../whitening.ts"

/** Options for `riemannian`. */
export interface RiemannianOptions {
  /** damping δ, absolute, greater than 0; default 1e-6, the authors' value */
  readonly damping?: number
}

/** T_B (T_Bᵀ gA) and (gB T_A) T_Aᵀ of one pair. */
const scaledFactors = (gradient: Factors, { TB, TAt }: Whitening): Factors => ({
  A: tf.matMul(TB, tf.matMul<Tensor2D>(TB, gradient.A, true, false)),
  B: tf.matMul(tf.matMul<Tensor2D>(gradient.B, TAt, false, true), TAt)
})

/**
 * Creates Riemannian preconditioning for every pair; dense parameters pass through unchanged. Requires a `refresh` with the same
 * parameters before `update`, and throws without one, which is a bug in the caller.
 */
export const riemannian = (options: RiemannianOptions = {}): Transform<WhitenedState> => {
  const { damping } = settled("riemannian", { damping: riemannianDamping }, options)
  const directions = (updates: Trainable, state: WhitenedState, pairs: ReadonlyArray<FactorPair>): Trainable => {
    const whitenings = whiteningsFor("riemannian", state, pairs)
    const scaled = updates.pairs.map((gradient, i) => tf.tidy(() => ({ ...scaledFactors(gradient, whitenings[i]!) })))
    return { pairs: withFactors(updates.pairs, scaled), dense: updates.dense }
  }
  return {
    init: () => notWhitened,
    layout: (_, { pairs }, step) => whitenedLayout(pairs, step),
    refresh: (state, { pairs }) => Effect.map(whitenPairs(pairs, damping), (whitened) => ({ ...state, ...whitened })),
    update: (updates, state, { pairs }) => ({ updates: directions(updates, state, pairs), state }),
    direction: (updates, state, { pairs }) => directions(updates, state, pairs),
    health: (state, { pairs }) => conditioningOf(state, pairs, damping)
  }
}
