/**
 * LoRA-TSD: LoRA-Pro's move of W made one of equal singular values, as far as A and B can (Andriianov, Veprikov & Beznosikov 2026,
 * arXiv 2609.02734, Algorithm 2).
 *
 *   M ← μM + (1−μ)g of each factor        X₀ = P_T(M)        X ← P_T(msign(X)), τ times        s(B ΔA + ΔB A) = −ηX
 *
 * P_T projects on what (ΔA, ΔB) can do to W: X₀ is LoRA-Pro's move, and τ = 0 its SGD form. In LoRA-Pro's whitened coordinates
 * (`lora-pro.ts`: Q = B T_B, R = T_Aᵀ A, a = T_Bᵀ M_A, b = M_B T_A) all iterations are those of a core K [2r, 2r]:
 *
 *   N = Qᵀb        b − QN = U_b C_b        a − aRᵀR = C_a U_aᵀ        X = [Q U_b] K [R ; U_aᵀ],  K = [[N, C_a], [C_b, 0]]
 *   K ← msign(K), its lower right block set to 0: that block is what P_T leaves out
 *   dA = s⁻¹ T_B ((N − Y) R + C_a U_aᵀ)        dB = s⁻¹ (Q Y + U_b C_b) T_Aᵀ        Y = S ⊙ N, ½N or 0: the choices of X
 *
 * U_a and U_b come of the spectra of Gram matrices (`gram-spectra.ts`), not of QR; directions below 1e-5 of the gradient are round-off and left
 * out. T_A and T_B are damped pseudo-inverse roots (`dampedRoots`), so that nothing grows where B has no direction.
 *
 * Where momentum is kept, N may be read from M_A or from M_B, which belong to past factors. For τ ≥ 1 it is M_B's, as in the paper; LoRA-Pro's
 * theorem, which τ = 0 is, has M_A's. The authors' program puts all of N into B, brings A and B to one norm after each step, clips the move at a
 * Frobenius norm of 0.1, and has s = 1; none of that is in the paper's algorithm but the first, of which "sylvester" is the limit as B is small.
 *
 * Shapes: A, a [r, in], B, b [out, r], N, C, Y, T [r, r], U_aᵀ [r, in], U_b [out, r]. Cost per pair and step: twice LoRA-Pro's refresh,
 * O(r² (in + out)), and 24τ products of [2r, 2r]. State: one moment a factor; and the whitenings.
 *
 * @example
 * import { chain, ema, loraPro, scaleByLearningRate, tangentSigns } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = chain(ema({ decay: 0.95 }), loraPro({ inner: tangentSigns({ tau: 3 }) }), scaleByLearningRate(5e-3))
 */
import type { Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { loraProDamping, settled, tangentIterations, wholeFromOne } from "../../../schemas/index.ts"
import { type GramSpectrum, gramSpectra, spectraObstacle } from "../gram-spectra.ts"
import type { Pairs, TangentMoves, XChoice } from "../lora-pro/transform.ts"
import { signsOfSquare } from "../matrix-sign.ts"
import {
  type PairStack,
  type StackedFactors,
  stacked,
  stackedFactors,
  stackedScales,
  stacksOf,
  unstackedFactors
} from "../stacks.ts"
import { dampedRoots } from "../whitening.ts"

/** Options for `tangentSigns`. */
export interface TangentSigns {
  /** number of iterations τ, an integer of at least 1; default 3 */
  readonly tau?: number
  /** damping δ, as in `loraPro`; default 1e-8 */
  readonly damping?: number
}

/** Squared, of a whole gradient: directions below count as none. */
const ROUND_OFF = 1e-10

/** X of a stack: its outer bases, and its core. */
interface Tangent {
  readonly Q: Tensor3D
  readonly R: Tensor3D
  readonly Ub: Tensor3D
  readonly UaT: Tensor3D
  readonly core: Tensor3D
}

const product = tf.matMul<Tensor3D>

/** [[N, C_a], [C_b, 0]] */
const coreOf = (N: Tensor3D, Ca: Tensor3D, Cb: Tensor3D): Tensor3D =>
  tf.concat([tf.concat([N, Ca], 2), tf.concat([Cb, tf.zerosLike(N)], 2)], 1)

/** N, C_a and C_b. */
const blocksOf = (core: Tensor3D) => {
  const r = core.shape[1] / 2
  const block = (i: number, j: number) => tf.slice3d(core, [0, i * r, j * r], [-1, r, r])
  return { N: block(0, 0), Ca: block(0, 1), Cb: block(1, 0) }
}

/** a and b over the norm of both. */
const unit = ({ A, B }: StackedFactors): StackedFactors => {
  const squares = (x: Tensor3D) => tf.sum(tf.square(x), [1, 2], true)
  const inverse = tf.divNoNan<Tensor3D>(1, tf.sqrt(tf.add(squares(A), squares(B))))
  return { A: tf.mul<Tensor3D>(A, inverse), B: tf.mul<Tensor3D>(B, inverse) }
}

/** T and C of a thin matrix U C, by what is more than round-off in it. */
const directionsOf = ({ T, values }: GramSpectrum) => {
  const withoutRoundOff = tf.mul<Tensor3D>(T, tf.cast(tf.greater(values, ROUND_OFF), "float32"))
  return { T: withoutRoundOff, C: tf.mul<Tensor3D>(withoutRoundOff, values) }
}

const tangentOf = (params: StackedFactors, momenta: StackedFactors, TB: Tensor3D, TA: Tensor3D): Tangent => {
  const [Q, R] = [product(params.B, TB), product(TA, params.A, true, false)]
  const { A: a, B: b } = unit({ A: product(TB, momenta.A, true, false), B: product(momenta.B, TA) })
  const N = product(Q, b, true, false)
  const rest: StackedFactors = {
    A: tf.sub<Tensor3D>(a, product(product(a, R, false, true), R)),
    B: tf.sub<Tensor3D>(b, product(Q, N))
  }
  const spectra = gramSpectra(rest)
  const [alongA, alongB] = [directionsOf(spectra.A), directionsOf(spectra.B)]
  const core = coreOf(N, alongA.C, tf.transpose(alongB.C, [0, 2, 1]))
  return { Q, R, Ub: product(rest.B, alongB.T), UaT: product(alongA.T, rest.A, true, false), core }
}

/** K after τ iterations, of all stacks; those of one rank together. */
const iterated = (cores: ReadonlyArray<Tensor3D>, tau: number): ReadonlyArray<Tensor3D> => {
  const after: Array<Tensor3D> = []
  for (const indices of Map.groupBy(cores.keys(), (i) => cores[i]!.shape[1]).values()) {
    let K = tf.concat(indices.map((i) => cores[i]!))
    for (let i = 0; i < tau; i++) {
      const { N, Ca, Cb } = blocksOf(signsOfSquare(K))
      K = coreOf(N, Ca, Cb)
    }
    const parts = tf.split<Tensor3D>(
      K,
      indices.map((i) => cores[i]!.shape[0])
    )
    indices.forEach((i, place) => {
      after[i] = parts[place]!
    })
  }
  return after
}

/** Y */
const shareOfB = (N: Tensor3D, stack: PairStack, { whitenings, x }: Pairs): Tensor3D => {
  const shares = {
    sylvester: () =>
      tf.mul<Tensor3D>(
        N,
        stacked(stack, (i) => whitenings[i]!.S)
      ),
    symmetric: () => tf.mul<Tensor3D>(N, 0.5),
    zero: () => tf.mul<Tensor3D>(N, 0)
  } satisfies Record<XChoice, () => Tensor3D>
  return shares[x]()
}

/** Creates LoRA-TSD moves for `loraPro({ inner })` with τ ≥ 1: every pair's move of W gets nearly equal singular values, at most about 1. */
export const tangentSigns = (options: TangentSigns = {}): TangentMoves => {
  const settings = { tau: { of: wholeFromOne, default: tangentIterations.default }, damping: loraProDamping }
  const { tau, damping } = settled("tangentSigns", settings, options)
  return {
    obstacle: spectraObstacle,
    movesOf: (pairs) => {
      const { params, gradients, whitenings } = pairs
      const stacks = stacksOf(params)
      const roots = stacks.map((stack) => ({
        TB: dampedRoots(
          stacked(stack, (i) => whitenings[i]!.TB),
          damping
        ),
        TA: dampedRoots(
          tf.transpose(
            stacked(stack, (i) => whitenings[i]!.TAt),
            [0, 2, 1]
          ),
          damping
        )
      }))
      const tangents = stacks.map((stack, i) =>
        tangentOf(stackedFactors(stack, params), stackedFactors(stack, gradients), roots[i]!.TB, roots[i]!.TA)
      )
      const cores = iterated(
        tangents.map(({ core }) => core),
        tau
      )
      const moves = stacks.map((stack, i): StackedFactors => {
        const [{ TB, TA }, { Q, R, Ub, UaT }, { N, Ca, Cb }] = [roots[i]!, tangents[i]!, blocksOf(cores[i]!)]
        const Y = shareOfB(N, stack, pairs)
        const scales = stackedScales(stack, params)
        const left = tf.add<Tensor3D>(product(tf.sub<Tensor3D>(N, Y), R), product(Ca, UaT))
        const right = tf.add<Tensor3D>(product(Q, Y), product(Ub, Cb))
        return {
          A: tf.div<Tensor3D>(product(TB, left), scales),
          B: tf.div<Tensor3D>(product(right, TA, false, true), scales)
        }
      })
      return unstackedFactors(stacks, moves)
    }
  }
}
