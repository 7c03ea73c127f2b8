/**
 * LoRA-RITE: each factor's gradient and moments are kept in coordinates that do not depend on how BA is split between its factors, and
 * preconditioned there by an r×r matrix (Yen et al., ICLR 2025, arXiv 2410.20625).
 *
 *   unmagnified   ḡ_A = T_Bᵀ gA                       ḡ_B = gB T_A                       skipped and clipped by their norms
 *   transport     P_A = Q_Bᵀ Q_B,old                  P_B = Q_A Q_A,oldᵀ                 from the old bases to the new ones
 *   second        V_A ← β P_A V_A P_Aᵀ + (1−β) ḡ_A ḡ_Aᵀ/in     V_B ← β P_B V_B P_Bᵀ + (1−β) ḡ_Bᵀ ḡ_B/out
 *   first         M_A ← γ P_A M_A + (1−γ) Z_A ḡ_A              M_B ← γ M_B P_Bᵀ + (1−γ) ḡ_B Z_B        Z = 1/(√(V+ρ) + ε)
 *   step          dA = T_B M_A                        dB = M_B T_Aᵀ                      M capped by its root mean square
 *
 * with the orthonormal bases Q_B = B T_B and Q_A = T_Aᵀ A of `whitening.ts` at δ = 0. The paper takes them by QR; any other orthonormal
 * basis U Q gives the same step, since coordinates, moments and transport turn with it. β and γ are β₂ and β₁ with their bias
 * correction, β(1−βᵗ⁻¹)/(1−βᵗ), so that both are 0 at t = 1. ρ: with `escape`, what V lost in the transports, decaying with β₂.
 *
 * V is kept as a root F, V = F Fᵀ, whose columns are its eigenvectors, each as long as the root of its eigenvalue; and the new V is the
 * Gram of [√β P F | √((1−β)/n) ḡ], which `gram-spectra.ts` takes apart in float64. A V in float32 would have lost what lies below 1e-7
 * of its largest eigenvalue, and 1/√V is about that. Z and the next F are functions of one spectrum.
 *
 * The move of W, s(B·dA + dB·A) = s(Q_B M_A + M_B Q_A), is the same for every (BR, R⁻¹A), R invertible, at every step. At B = 0 there
 * is no basis: A stays, and B moves. A direction of a factor or of V that is round-off beside the largest is none (`withoutRoundOff`): where
 * a gradient has fewer than r directions, 1/√V would make others of its noise, and A would follow B's there by η over next to nothing.
 *
 * Shapes: A, M_A, ḡ_A, Q_A [r, in], B, M_B, ḡ_B, Q_B [out, r], V, F, P, Z, T [r, r]. Pairs of one shape are stacked: some sixty ops for
 * a shape, not for a pair. State: 2r(in + out) + 2r² numbers a pair, and 2 with `escape`. Cost per pair and step: O(r²(in + out)), two
 * whitenings. Dense tensors pass through.
 *
 * Differs from the authors' code: a pseudo-inverse on the GPU's and the CPU's numbers alike (`withoutRoundOff`); gradients that are not
 * finite make the step not finite, where that code replaces them by 0 after preconditioning.
 *
 * @see arXiv 2410.20625 (Algorithm 1); Shazeer & Stern, arXiv 1804.04235, §7.1 (bias-corrected decay)
 * @example
 * import { chain, loraRite, scaleByLearningRate } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = chain(loraRite(), scaleByLearningRate(1e-3))
 */
import type { Scalar, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { loraRiteSettings, settled } from "../../../schemas/index.ts"
import type { Whitening } from "../../kernels/index.ts"
import { type FactorPair, withFactors } from "../../tensors/index.ts"
import {
  type GramSpectrum,
  gramSpectra,
  spectraObstacle,
  spectrumOf,
  symmetric,
  withoutRoundOff
} from "../gram-spectra.ts"
import { type PairStack, type StackedFactors, stacked, stackedFactors, stacksOf, unstackedFactors } from "../stacks.ts"
import type { StateLayout, Transform } from "../transform.ts"
import { notWhitened, type WhitenedState, whitenedLayout, whiteningsFor, whitenPairs } from "../whitening.ts"

/** Options for `loraRite`. */
export interface LoraRiteOptions {
  /** β₁, decay of the first moment, in [0, 1); default 0.9 */
  readonly b1?: number
  /** β₂, decay of the second moment, in [0, 1); default 0.999 */
  readonly b2?: number
  /** ε, added to the root of each eigenvalue of the second moment, greater than 0; default 1e-6 */
  readonly eps?: number
  /** largest norm of the unmagnified gradients of all pairs together; null: no clipping; default 1 */
  readonly clipUnmagnified?: number | null
  /** largest root mean square of a factor's unmagnified gradient, above which the factor is skipped in this step; null: never; default 1 */
  readonly skip?: number | null
  /** largest root mean square of a factor's first moment in a step; null: no cap; default null */
  readonly cap?: number | null
  /** whether to increase second moments by the part that a change of basis loses; default false */
  readonly escape?: boolean
}

/** Of one factor of the pairs of a stack. */
type SideState = {
  /** of the other factor, at the last step: [pairs, out, r] or [pairs, r, in] */
  readonly basis: Tensor3D
  /** F [pairs, r, r]: an eigenvector in a column for A, in a row for B */
  readonly root: Tensor3D
  /** M */
  readonly first: Tensor3D
  /** ρ [pairs, 1, 1], with `escape` */
  readonly escaped: Tensor3D | null
}

/** State of `loraRite`. */
export type LoraRiteState = WhitenedState & {
  /** number of steps taken */
  readonly count: number
  /** one entry per stack, in the order of `stacksOf` */
  readonly stacks: ReadonlyArray<{
    /** state of the pairs' A */
    readonly A: SideState
    /** state of the pairs' B */
    readonly B: SideState
  }>
}

type Side = "A" | "B"
const SIDES = ["A", "B"] as const satisfies ReadonlyArray<Side>
const otherOf = { A: "B", B: "A" } as const satisfies Record<Side, Side>

/** What is a column's in A is a row's in B: the axis of the rank, and products on its side. */
interface Orientation {
  readonly rank: 1 | 2
  /** M x or x Mᵀ, where the rank is; Mᵀ in the place of M if `transposed` */
  readonly by: (M: Tensor3D, x: Tensor3D, transposed?: boolean) => Tensor3D
  /** products of the rank's vectors: x yᵀ or xᵀ y [pairs, r, r] */
  readonly across: (x: Tensor3D, y: Tensor3D) => Tensor3D
}

const orientations: Record<Side, Orientation> = {
  A: {
    rank: 1,
    by: (M, x, transposed = false) => tf.matMul(M, x, transposed, false),
    across: (x, y) => tf.matMul(x, y, false, true)
  },
  B: {
    rank: 2,
    by: (M, x, transposed = false) => tf.matMul(x, M, false, !transposed),
    across: (x, y) => tf.matMul(x, y, true, false)
  }
}

const longOf = (side: Side) => (side === "A" ? 2 : 1)

const transposed = (x: Tensor3D): Tensor3D => tf.transpose(x, [0, 2, 1])

/** β(1−βᵗ⁻¹)/(1−βᵗ) */
const decayAt = (beta: number, t: number): number => (beta * (1 - beta ** (t - 1))) / (1 - beta ** t)

const sumOfSquares = (x: Tensor3D): Tensor3D => tf.sum(tf.square(x), [1, 2], true)

/** Of one factor of a stack's pairs, before a step. */
interface Entered {
  /** T of the other factor: [pairs, r, r] */
  readonly T: Tensor3D
  /** the other factor's orthonormal basis */
  readonly basis: Tensor3D
  /** ḡ, not yet skipped or clipped */
  readonly gradient: Tensor3D
  /** 0 where ḡ is skipped, else 1: [pairs, 1, 1]. Multiplied by, it leaves what is no number none. */
  readonly isMoved: Tensor3D | null
  /** ‖ḡ‖² of what is kept: [pairs, 1, 1] */
  readonly squares: Tensor3D
}

const entered = (side: Side, T: Tensor3D, params: StackedFactors, gradients: StackedFactors, skip: number | null) => {
  const gradient = orientations[side].by(T, gradients[side], true)
  const basis = orientations[otherOf[side]].by(T, params[otherOf[side]], true)
  const squares = sumOfSquares(gradient)
  if (skip === null) return { T, basis, gradient, squares, isMoved: null }
  const most = (skip * skip * gradient.size) / gradient.shape[0]
  const isMoved = tf.sub<Tensor3D>(1, tf.cast(tf.greater(squares, most), "float32"))
  return { T, basis, gradient, squares: tf.where(tf.greater(isMoved, 0), squares, tf.zerosLike(squares)), isMoved }
}

const enteredOf = (
  stack: PairStack,
  pairs: ReadonlyArray<FactorPair>,
  gradients: ReadonlyArray<FactorPair>,
  whitenings: ReadonlyArray<Whitening>,
  skip: number | null
): Record<Side, Entered> => {
  const [factors, g] = [stackedFactors(stack, pairs), stackedFactors(stack, gradients)]
  const resolved = (T: Tensor3D) => withoutRoundOff(spectrumOf(T), stack.rank).T
  const TB = resolved(stacked(stack, (i) => whitenings[i]!.TB))
  const TA = resolved(transposed(stacked(stack, (i) => whitenings[i]!.TAt)))
  return { A: entered("A", TB, factors, g, skip), B: entered("B", TA, factors, g, skip) }
}

/** min(1, most/‖ḡ‖) over all pairs: a scalar. */
const clipFactor = (all: ReadonlyArray<Record<Side, Entered>>, most: number): Scalar => {
  const squares = all.flatMap(({ A, B }) => [A.squares, B.squares])
  return tf.div(most, tf.maximum(tf.sqrt(tf.sum(tf.concat(squares))), most))
}

const rescaled = (gradient: Tensor3D, ...factors: ReadonlyArray<Tensor3D | Scalar | null>): Tensor3D => {
  const present = factors.filter((factor) => factor !== null)
  return present.length === 0
    ? gradient
    : tf.mul(
        gradient,
        present.reduce((a, b) => tf.mul(a, b))
      )
}

/** λ in their order: [pairs, r] */
const ordered = (values: tf.Tensor, r: number) => tf.topk(tf.reshape(values, [-1, r]), r).values

/** min(max over i of λᵢ(V) − λᵢ(PVPᵀ), tr V − tr PVPᵀ), each at least 0: [pairs, 1, 1]. */
const lost = (side: Side, root: Tensor3D, carried: GramSpectrum): Tensor3D => {
  const r = root.shape[1]
  const difference = tf.sub(ordered(tf.sum(tf.square(root), orientations[side].rank), r), ordered(carried.values, r))
  const [largest, trace] = [tf.max(difference, 1), tf.sum(difference, 1)]
  return tf.reshape(tf.relu(tf.minimum(largest, trace)), [-1, 1, 1])
}

interface Rates {
  readonly first: number
  readonly second: number
}

/** [√β PF | √((1−β)/n) ḡ] */
const secondOf = (side: Side, carried: Tensor3D, gradient: Tensor3D, { second }: Rates): Tensor3D => {
  const long = longOf(side)
  const share = Math.sqrt((1 - second) / gradient.shape[long]!)
  return tf.concat([tf.mul(carried, Math.sqrt(second)), tf.mul(gradient, share)], long)
}

/** The root of a Gram: its eigenvectors, each as long as the root of its eigenvalue. */
const rootOf = (side: Side, { T, values }: GramSpectrum): Tensor3D => {
  const columns = tf.mul<Tensor3D>(T, values)
  return side === "A" ? columns : transposed(columns)
}

const capped = (first: Tensor3D, cap: number | null): Tensor3D => {
  if (cap === null) return first
  const meanSquares = tf.div(sumOfSquares(first), first.size / first.shape[0])
  return tf.div(first, tf.maximum(1, tf.div(tf.sqrt(meanSquares), cap)))
}

const zerosOf = (stack: PairStack, raised: boolean): { readonly A: SideState; readonly B: SideState } => {
  const { indices, rank, in: inputs, out } = stack
  const pairs = indices.length
  const side = (basis: [number, number], first: [number, number]): SideState => ({
    basis: tf.zeros([pairs, ...basis]),
    root: tf.zeros([pairs, rank, rank]),
    first: tf.zeros([pairs, ...first]),
    escaped: raised ? tf.zeros([pairs, 1, 1]) : null
  })
  const [ofA, ofB]: [[number, number], [number, number]] = [
    [rank, inputs],
    [out, rank]
  ]
  return { A: side(ofB, ofA), B: side(ofA, ofB) }
}

/**
 * Creates LoRA-RITE for every pair; dense parameters pass through unchanged. Requires a `refresh` with the same parameters before `update`, and
 * throws without one, which is a bug in the caller.
 */
export const loraRite = (options: LoraRiteOptions = {}): Transform<LoraRiteState> => {
  const values = settled("loraRite", loraRiteSettings, options)
  const { b1, b2, eps, clipUnmagnified, skip, cap, escape: raised = false } = values

  const moved = (before: Record<Side, SideState>, entered: Record<Side, Entered>, clip: Scalar | null, t: number) => {
    const rates: Rates = { first: decayAt(b1, t), second: decayAt(b2, t) }
    const both = <A>(of: (side: Side) => A): Record<Side, A> => ({ A: of("A"), B: of("B") })
    const gradients = both((side) => rescaled(entered[side].gradient, entered[side].isMoved, clip))
    const transports = both((side) => orientations[otherOf[side]].across(entered[side].basis, before[side].basis))
    const carried = both((side) => orientations[side].by(transports[side], before[side].root))
    const seconds = both((side) => secondOf(side, carried[side], gradients[side], rates))
    const spectra = gramSpectra(seconds)
    const rotated = raised ? gramSpectra(carried) : null
    return both((side) => {
      const spectrum = withoutRoundOff(spectra[side], seconds[side].shape[longOf(side)]!)
      const { by } = orientations[side]
      const { basis, T } = entered[side]
      const { root, first, escaped } = before[side]
      const risen =
        escaped === null || rotated === null
          ? null
          : tf.mul<Tensor3D>(tf.add(escaped, lost(side, root, rotated[side])), rates.second)
      const Z = symmetric(spectrum, (values) =>
        tf.reciprocal(tf.add(tf.sqrt(risen === null ? values : tf.add(values, risen)), eps))
      )
      const M = tf.add<Tensor3D>(
        tf.mul(by(transports[side], first), rates.first),
        tf.mul(by(Z, gradients[side]), 1 - rates.first)
      )
      return {
        direction: by(T, capped(M, cap)),
        state: { basis, root: rootOf(side, spectrum), first: M, escaped: risen }
      }
    })
  }

  return {
    obstacle: ({ pairs }) => spectraObstacle(pairs),
    init: ({ pairs }) => ({ ...notWhitened, count: 0, stacks: stacksOf(pairs).map((stack) => zerosOf(stack, raised)) }),
    layout: (initial: { readonly stacks: StateLayout }, { pairs }, step) => ({
      ...initial,
      ...whitenedLayout(pairs, step)
    }),
    refresh: (state, { pairs }) => Effect.map(whitenPairs(pairs, 0), (whitened) => ({ ...state, ...whitened })),
    update: (updates, state, { pairs }) => {
      const whitenings = whiteningsFor("loraRite", state, pairs)
      const count = state.count + 1
      const stacks = stacksOf(pairs)
      const enteredStacks = stacks.map((stack) => enteredOf(stack, pairs, updates.pairs, whitenings, skip))
      const clip = clipUnmagnified === null || stacks.length === 0 ? null : clipFactor(enteredStacks, clipUnmagnified)
      const moves = enteredStacks.map((one, i) => moved(state.stacks[i]!, one, clip, count))
      const factors = unstackedFactors(
        stacks,
        moves.map(({ A, B }) => ({ A: A.direction, B: B.direction }))
      )
      return {
        updates: { pairs: withFactors(updates.pairs, factors), dense: updates.dense },
        state: { ...state, count, stacks: moves.map(({ A, B }) => ({ A: A.state, B: B.state })) }
      }
    }
  }
}

/** ‖A‖ or ‖B‖ of each pair of a stack as it will be: [pairs, 1, 1]. Above 0. */
const normOf = (x: Tensor3D): Tensor3D => tf.add(tf.sqrt(sumOfSquares(x)), 1e-6)

/**
 * Balances factors: adds to the updates so that ‖A‖ = ‖B‖ without changing BA. Must be the last transform of a chain, since it reads the
 * parameters after the step. Dense parameters pass through unchanged.
 */
export const balanceFactors: Transform<null> = {
  init: () => null,
  update: (updates, state, { pairs }) => {
    const stacks = stacksOf(pairs)
    const balanced = stacks.map((stack): StackedFactors => {
      const [before, moves] = [stackedFactors(stack, pairs), stackedFactors(stack, updates.pairs)]
      const [A, B] = SIDES.map((side) => tf.add<Tensor3D>(before[side], moves[side]))
      const [ofA, ofB] = [normOf(A!), normOf(B!)]
      const size = tf.sqrt(tf.mul(ofA, ofB))
      return {
        A: tf.sub(tf.mul(A!, tf.div(size, ofA)), before.A),
        B: tf.sub(tf.mul(B!, tf.div(size, ofB)), before.B)
      }
    })
    return {
      updates: { pairs: withFactors(updates.pairs, unstackedFactors(stacks, balanced)), dense: updates.dense },
      state
    }
  }
}
