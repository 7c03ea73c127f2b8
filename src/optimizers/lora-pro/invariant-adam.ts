/**
 * Adam on factor pairs that neither the size of the factors nor the basis in which they are written decides: what
 * cures LoRA-Pro's efficient form from B = 0. Ours, not the paper's.
 *
 *   d_A = λ̄_B dA     d_B = λ̄_A dB          λ̄_B = tr(BᵀB)/r     λ̄_A = tr(AAᵀ)/r
 *   m ← β₁m + (1−β₁)d     v_A[j] ← β₂v_A[j] + (1−β₂)·meanᵢ d_A[i,j]²     v_B[o] ← β₂v_B[o] + (1−β₂)·meanₖ d_B[o,k]²
 *   u = m̂ / (√v̂ + ε)                       bias corrections as in `adam.ts`
 *
 * Why λ̄: under a gradient of W that does not change, the theorem's dA = s⁻²(BᵀB)⁻¹gA + XA shrinks as 1/‖B‖ while B
 * grows from 0. A second moment remembers the first dA, a hundred times the later ones, for 1/(1−β₂) steps, and A all
 * but stops. λ̄(BᵀB)⁻¹ is the identity where B's singular values are equal, however large: what Adam compares is of
 * the size of LoRA's own gradient, which grows with B.
 * Why one v for all r rows: with an orthogonal R, (BR, RᵀA) is the same product, and dA → RᵀdA, dB → dB·R. A mean over
 * the rank does not see R, so u_A → Rᵀu_A and u_B → u_B·R: every step moves BA alike. Entrywise moments make it depend
 * on R.
 *
 * What holds of (d_A, d_B): each is the theorem's direction times a positive number. ⟨gA, dA⟩ ≥ 0 and ⟨gB, dB⟩ ≥ 0
 * hold one by one, for every X, so the pair descends. Law (1), which ties their two sizes together, is given up here
 * rather than by Adam.
 *
 * Shapes: A, d_A, u_A [r, in], v_A [in]; B, d_B, u_B [out, r], v_B [out]. Pairs of one shape are stacked: some fifteen
 * ops for a shape, not for a pair. State: r(in + out) + in + out numbers a pair, about half of Adam's. Dense tensors
 * get Adam as it is.
 *
 * @example
 * import { chain, loraPro, scaleByInvariantAdam, scaleByLearningRate } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = chain(loraPro(), scaleByInvariantAdam(), scaleByLearningRate(1e-3))
 */
import type { Tensor, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { adamSettings, settled } from "../../../schemas/index.ts"
import { type AdamDecays, type AdamRates, ratesAt, squaredNorms, unstacked } from "../../kernels/index.ts"
import type { FactorPair, Trainable } from "../../tensors/index.ts"
import { type AdamOptions, type AdamState, scaleByAdam } from "../adamw/transform.ts"
import type { Transform } from "../transform.ts"

/** Moments of the stacked factors of one shape. */
type StackMoments = {
  /** m/(1−β₁): [pairs, r, in] or [pairs, out, r] */
  readonly first: Tensor
  /** v/(1−β₂): [pairs, 1, in] or [pairs, out, 1] */
  readonly second: Tensor
}

/** State of `scaleByInvariantAdam`. */
export type InvariantAdamState = {
  /** number of steps taken */
  readonly count: number
  /** one entry per stack, in the order of `stacksOf` */
  readonly stacks: ReadonlyArray<StackMoments>
  /** Adam's state for all tensors outside of pairs */
  readonly dense: AdamState
}

type Side = "A" | "B"

/** Factors of one shape. */
interface Stack {
  readonly side: Side
  /** of the pairs */
  readonly indices: ReadonlyArray<number>
}

/** The axis of the rank in a stack. */
const rankAxis = { A: 1, B: 2 } as const satisfies Record<Side, number>

const otherOf = { A: "B", B: "A" } as const satisfies Record<Side, Side>

/** A's, then B's, by shape in the order of the first pair that has it. */
const stacksOf = (pairs: ReadonlyArray<FactorPair>): ReadonlyArray<Stack> =>
  (["A", "B"] as const).flatMap((side) => {
    const byShape = new Map<string, Array<number>>()
    pairs.forEach((pair, i) => {
      const shape = pair[side].shape.join("×")
      byShape.set(shape, [...(byShape.get(shape) ?? []), i])
    })
    return [...byShape.values()].map((indices): Stack => ({ side, indices }))
  })

const stacked = ({ side, indices }: Stack, pairs: ReadonlyArray<FactorPair>): Tensor3D =>
  tf.stack(indices.map((i) => pairs[i]![side])) as Tensor3D

/** λ̄ of the other factor of each pair: [pairs, 1, 1]. */
const meanEigenvalues = ({ side, indices }: Stack, params: ReadonlyArray<FactorPair>): Tensor3D => {
  const norms = squaredNorms(indices.map((i) => params[i]![otherOf[side]]))
  const r = params[indices[0]!]!.A.shape[0]
  return tf.reshape(tf.div(norms, r), [indices.length, 1, 1])
}

const moved = (d: Tensor3D, { first, second }: StackMoments, axis: number, { b1, b2, c, e }: AdamRates) => {
  const M = tf.add(tf.mul(first, b1), d)
  const V = tf.add(tf.mul(second, b2), tf.mean(tf.square(d), axis, true))
  return { u: tf.div<Tensor3D>(M, tf.add(tf.mul(tf.sqrt(V), c), e)), moments: { first: M, second: V } }
}

const zeros = ({ side, indices }: Stack, pairs: ReadonlyArray<FactorPair>): StackMoments => {
  const shape: [number, number, number] = [indices.length, ...pairs[indices[0]!]![side].shape]
  const second: [number, number, number] = [...shape]
  second[rankAxis[side]] = 1
  return { first: tf.zeros(shape), second: tf.zeros(second) }
}

const denseOf = ({ dense }: Trainable): Trainable => ({ pairs: [], dense })

/**
 * Creates Adam with moments that are invariant to the scale and basis of the factors. Follows `loraPro()`, instead of `scaleByAdam` in the paper's
 * efficient form. `update` reads the factors from `params`.
 */
export const scaleByInvariantAdam = (options: AdamOptions = {}): Transform<InvariantAdamState> => {
  const decays: AdamDecays = settled("scaleByInvariantAdam", adamSettings, options)
  const plain = scaleByAdam(decays)
  return {
    init: (params) => ({
      count: 0,
      stacks: stacksOf(params.pairs).map((stack) => zeros(stack, params.pairs)),
      dense: plain.init(denseOf(params))
    }),
    update: (updates, state, params) => {
      const count = state.count + 1
      const rates = ratesAt(decays, count)
      const factors = updates.pairs.map(({ A, B }) => ({ A, B }))
      const stacks = stacksOf(params.pairs).map((stack, at) => {
        const d = tf.mul<Tensor3D>(stacked(stack, updates.pairs), meanEigenvalues(stack, params.pairs))
        const { u, moments } = moved(d, state.stacks[at]!, rankAxis[stack.side], rates)
        const unstackedMoves = unstacked(u)
        stack.indices.forEach((i, j) => {
          factors[i]![stack.side] = unstackedMoves[j]!
        })
        return moments
      })
      const dense = plain.update(denseOf(updates), state.dense, denseOf(params))
      return {
        updates: { pairs: updates.pairs.map((pair, i) => ({ ...pair, ...factors[i]! })), dense: dense.updates.dense },
        state: { count, stacks, dense: dense.state }
      }
    }
  }
}
