/**
 * LoRA-Muon: each factor moves so that all singular values of what it does to W are equal, the steepest descent in the spectral norm on
 * matrices of rank r (Cesista, Crowson, Simal & Biderman 2026, arXiv 2606.12921).
 *
 *   m ← βm + (1−β)g                                        for each factor
 *   ΔB = −(η/2s) msign(m_B R_A) R_A        ΔA = −(η/2s) R_B msign(R_B m_A)        R_A = (AAᵀ)^-½, R_B = (BᵀB)^-½
 *   B ← kB + ΔB/k        A ← kA + ΔA/k        k = √(1−λη)          (split decay: BA shrinks by 1−λη, and moves by η all the same)
 *
 * msign makes all singular values 1 (`matrix-sign.ts`). Since msign(XVᵀ) = msign(X)Vᵀ for an orthogonal V, the whitening's own roots serve
 * (`whitening.ts`: T_A T_Aᵀ = (AAᵀ+δI)⁻¹, and T_A = R_A V):
 *
 *   ΔB = −(η/2s) msign(m_B T_A) T_Aᵀ        ΔA = −(η/2s) T_B msign(T_Bᵀ m_A)
 *
 * What is promised: s(B ΔA + ΔB A) has no singular value above η, whatever the size of the gradient, s or the factors; and it is the same
 * for every (BR, R⁻¹A), R invertible, with m transformed alike. The paper has s = 1; with the 1/s here η is the step of W itself.
 *
 * From B = 0: gA = 0, so A stays, and B moves by η/2 of W. From then on A moves by η/2s over B's singular values: by as much as its own
 * size at first, as B is small. Where BᵀB is singular (B = 0 in a direction) a root would be δ^-½ and A's move there nothing but round-off
 * times it. T_B is therefore weighted by λ/(λ+δ) in each eigendirection, a damped pseudo-inverse: no move of A in directions that B does not
 * have, and A moves by at most 0.2 η δ^-½/s.
 *
 * Shapes: A, m_A [r, in], B, m_B [out, r], T [r, r]. Cost per pair and step: twice the eigenproblems of LoRA-Pro's refresh (of the
 * factors before a step, of the whitened momenta within), and O(r² (in + out)). State: one moment, half of Adam's; and the whitenings.
 *
 * @example
 * import { addSplitDecay, chain, ema, loraMuon, scaleByLearningRate } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = chain(ema({ decay: 0.9 }), loraMuon(), scaleByLearningRate(1e-2), addSplitDecay(0.01, 1e-2))
 */
import type { Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { loraProDamping, settled } from "../../../schemas/index.ts"
import { type FactorPair, type Trainable, withFactors } from "../../tensors/index.ts"
import { spectraObstacle } from "../gram-spectra.ts"
import { signsOfThin } from "../matrix-sign.ts"
import { type StackedFactors, stacked, stackedFactors, stackedScales, stacksOf, unstackedFactors } from "../stacks.ts"
import type { Transform } from "../transform.ts"
import {
  conditioningOf,
  dampedRoots,
  notWhitened,
  type WhitenedState,
  whitenedLayout,
  whiteningsFor,
  whitenPairs
} from "../whitening.ts"

/** Options for `loraMuon`. */
export interface LoraMuonOptions {
  /** damping δ, absolute, at least 0; default 1e-8 */
  readonly damping?: number
}

/** −Δ/η of every pair of a stack. */
const movesOf = (momenta: StackedFactors, TB: Tensor3D, TA: Tensor3D, scales: Tensor3D): StackedFactors => {
  const signs = signsOfThin({ A: tf.matMul(TB, momenta.A, true, false), B: tf.matMul(momenta.B, TA) })
  const half = tf.div<Tensor3D>(0.5, scales)
  return { A: tf.mul(half, tf.matMul(TB, signs.A)), B: tf.mul(half, tf.matMul(signs.B, TA, false, true)) }
}

/**
 * Creates LoRA-Muon directions for every pair; dense parameters pass through unchanged. Requires a `refresh` with the same parameters before
 * `update`, and throws without one, which is a bug in the caller.
 */
export const loraMuon = (options: LoraMuonOptions = {}): Transform<WhitenedState> => {
  const { damping } = settled("loraMuon", { damping: loraProDamping }, options)
  const directions = (updates: Trainable, state: WhitenedState, pairs: ReadonlyArray<FactorPair>): Trainable => {
    const whitenings = whiteningsFor("loraMuon", state, pairs)
    const stacks = stacksOf(pairs)
    const moved = stacks.map((stack) => {
      const TB = dampedRoots(
        stacked(stack, (i) => whitenings[i]!.TB),
        damping
      )
      const TA = dampedRoots(
        tf.transpose(
          stacked(stack, (i) => whitenings[i]!.TAt),
          [0, 2, 1]
        ),
        damping
      )
      return movesOf(stackedFactors(stack, updates.pairs), TB, TA, stackedScales(stack, pairs))
    })
    return { pairs: withFactors(updates.pairs, unstackedFactors(stacks, moved)), dense: updates.dense }
  }
  return {
    obstacle: ({ pairs }) => spectraObstacle(pairs),
    init: () => notWhitened,
    layout: (_, { pairs }, step) => whitenedLayout(pairs, step),
    refresh: (state, { pairs }) => Effect.map(whitenPairs(pairs, damping), (whitened) => ({ ...state, ...whitened })),
    update: (updates, state, { pairs }) => ({ updates: directions(updates, state, pairs), state }),
    direction: (updates, state, { pairs }) => directions(updates, state, pairs),
    health: (state, { pairs }) => conditioningOf(state, pairs, damping)
  }
}
