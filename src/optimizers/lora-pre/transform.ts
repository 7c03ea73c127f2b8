/**
 * LoRA-Pre: Adam whose moments of a matrix are products of two thin ones, kept by a step of regression each (Wang, Liang, He, Wang & Tan 2026,
 * arXiv 2602.24283).
 *
 *   m = β₁ m_B m_A + (1−β₁) g       v = β₂ (v_B v_A)² + (1−β₂) g²       u = m / (√v + ε)
 *   m_B ← (1−γ₁) m_B + γ₁ g m_A⁺    m_A ← (1−γ₁) m_A + γ₁ m_B⁺ g        1 − γ₁ = √β₁
 *   v_B ← (1−γ₂) v_B + γ₂ |g| v_A⁺  v_A ← (1−γ₂) v_A + γ₂ v_B⁺ |g|      1 − γ₂ = β₂^¼
 *
 * An average of gradients is the regression ½‖m − g‖² by gradient flow; its factors take a step each of the same regression, both from
 * what they were before. So m_B m_A goes on with β₁, and v_B v_A, an average of |g| whose square replaces that of g², with √β₂.
 *
 * The authors have published no code, and the equations that we have (`docs/successors.md` says whence) leave open what follows. It is ours:
 *
 *   start     Factors of 0 would stay 0, and random ones are half blind to g for 1/γ steps. The first step has γ = 1: it solves its
 *             regression, from a random m_A, by alternating least squares, m_B = g m_A⁺, m_A = m_B⁺ g, twice. That is randomized
 *             subspace iteration: exact for a g of rank ≤ k.
 *   turns     m_A steps towards m_B⁺ g with the m_B that has just moved. Then m_B m_A ← β₁ m_B m_A + √β₁γ₁ g P_A + γ₁ P_B g, with projections:
 *             Adam's m, where g is in both spaces, and never larger than what enters. With both at once there would be γ₁² g (m_B m_A)⁺ g,
 *             which has no bound where m_B m_A passes near a lower rank, as it does whenever gradients change sign.
 *   bias      β is Adam's with its correction, β(t) = β (1−β^(t−1))/(1−β^t), so that m_B m_A is an average whose weights add up to one
 *             from the first step on. Dividing v by 1 − β₂^t, as equations for a start at 0 have it, does not fit (v_B v_A)², which
 *             grows as (1 − β₂^½ᵗ)²: at β₂ = 0.999, t = 100, v would be forty times too small.
 *   order     m takes g once, beside factors from before this step: where they are exact, m is Adam's m̂.
 *   bound     Adam's |u| is at most c(t) = (Σ wᵢ²/qᵢ)^½, w and q the weights of gᵢ in m̂ and of gᵢ² in v̂ (Cauchy–Schwarz). An entry of v_B v_A, of rank k
 *             and of any sign, can be 0 where m is not, and u without bound: it is kept to c(t), 1 at the first step, 7 in the end.
 *   inverses  ⁺ is the pseudo-inverse, from Grams in float64 (`gram-spectra.ts`), without damping: projections have no need of it.
 *
 * Matrices that products would be no smaller than, k(out + in) ≥ out·in, and whatever is no matrix, have Adam's own moments.
 *
 * Shapes: g, u [out, in], m_B, v_B [out, k], m_A, v_A [k, in]. State: 2k(out + in) numbers a matrix. Cost: O(k·out·in), with temporaries
 * [out, in] of one matrix at a time. Within LoRA-Pro's full form it is `loraPro({ inner: scaleByLoraPre() })`.
 */
import type { Tensor, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { adamSettings, loraPreRank, settled } from "../../../schemas/index.ts"
import { adamMoves, ratesAt } from "../../kernels/index.ts"
import { type Trainable, tensorsOf, withTensors } from "../../tensors/index.ts"
import type { AdamOptions } from "../adamw/transform.ts"
import { gramSpectra } from "../gram-spectra.ts"
import type { Transform } from "../transform.ts"
import { isCompressed } from "./compressed.ts"

/** Options for `scaleByLoraPre`. */
export interface LoraPreOptions extends AdamOptions {
  /** rank k of the moments, at least 1; default 8 */
  readonly rank?: number
}

/** B·A */
type Factored = { readonly A: Tensor3D; readonly B: Tensor3D }

type MatrixMoments = { readonly first: Factored; readonly second: Factored }

/** State of `scaleByLoraPre`. */
export type LoraPreState = {
  /** number of steps taken */
  readonly count: number
  /** factored moments of each matrix, B [1, out, k] and A [1, k, in] */
  readonly matrices: ReadonlyArray<MatrixMoments>
  /** m/(1−β₁) of all other tensors */
  readonly first: ReadonlyArray<Tensor>
  /** v/(1−β₂), in the same order */
  readonly second: ReadonlyArray<Tensor>
}

/** The places in `tensorsOf` of the matrices that are compressed, and of everything else. */
const placesOf = (tree: Trainable, rank: number) => {
  const tensors = tensorsOf(tree)
  const places = [...tensors.keys()]
  const compressed = (i: number) => isCompressed(rank, tensors[i]!.shape)
  return { matrices: places.filter(compressed), others: places.filter((i) => !compressed(i)) }
}

const product = (x: Tensor3D, y: Tensor3D, transposeX = false, transposeY = false): Tensor3D =>
  tf.matMul(x, y, transposeX, transposeY)

/** g A⁺ by orthonormal rows of A: [1, out, k]. An inverse Gram rounded to float32 would be wrong by 1e-7 · cond². */
const leftOf = (g: Tensor3D, factors: Factored): Tensor3D => {
  const { T } = gramSpectra(factors).A
  return product(product(g, product(T, factors.A, true), false, true), T, false, true)
}

/** B⁺ g by orthonormal columns of B: [1, k, in]. Where B is 0, under a g that always was, A stays: it would be 0 for good. */
const rightOf = (g: Tensor3D, factors: Factored): Tensor3D => {
  const { A, B } = factors
  const { T } = gramSpectra(factors).B
  const asleep = tf.equal(tf.sum(tf.abs(B), [1, 2], true), 0)
  return tf.where(asleep, A, product(T, product(product(B, T), g, true)))
}

const moved = (before: Tensor, towards: Tensor, decay: number) =>
  tf.add<Tensor3D>(tf.mul(before, decay), tf.mul(towards, 1 - decay))

/** B·A ← decay·B·A + (1 − decay)·g, as far as the factors reach. */
const averaged = (g: Tensor3D, { A, B }: Factored, decay: number): Factored => {
  const rootOfDecay = Math.sqrt(decay)
  const next = moved(B, leftOf(g, { A, B }), rootOfDecay)
  return { B: next, A: moved(A, rightOf(g, { A, B: next }), rootOfDecay) }
}

/** β with Adam's correction. */
const corrected = (decay: number, count: number): number => (decay * (1 - decay ** (count - 1))) / (1 - decay ** count)

/** 1 + q + … + qⁿ⁻¹ */
const geometric = (q: number, n: number): number => {
  if (n === 1 || q === 0) return 1
  if (q === 1 || q === Number.POSITIVE_INFINITY) return n * q
  return (1 - q ** n) / (1 - q)
}

/** The most that |m̂|/√v̂ of Adam can be at a step; infinite where v̂ forgets at once what m̂ remembers. */
const largestMove = (b1: number, b2: number, count: number): number =>
  ((1 - b1) / (1 - b1 ** count)) *
  Math.sqrt(((1 - b2 ** count) / (1 - b2)) * geometric(b1 === 0 ? 0 : (b1 * b1) / b2, count))

/** A seed of the random factors, the same in every run. */
const SEED = 28283

/** Creates Adam with low-rank moments: those of a matrix [out, in] are products of rank k, k(out + in) values each instead of out·in. */
export const scaleByLoraPre = (options: LoraPreOptions = {}): Transform<LoraPreState> => {
  const { rank, ...adam } = settled("scaleByLoraPre", { ...adamSettings, rank: loraPreRank }, options)
  const { b1, b2, eps } = adam
  const step = (g: Tensor3D, { first, second }: MatrixMoments, count: number) => {
    const [beta1, beta2] = [corrected(b1, count), corrected(b2, count)]
    const v = moved(tf.square(product(second.B, second.A)), tf.square(g), beta2)
    let moments: MatrixMoments = { first, second }
    // at the first step β is 0, and another round goes on with the least squares
    for (let rounds = count === 1 ? 2 : 1; rounds > 0; rounds--) {
      moments = {
        first: averaged(g, moments.first, beta1),
        second: averaged(tf.abs(g), moments.second, corrected(Math.sqrt(b2), count))
      }
    }
    const m = moved(product(first.B, first.A), g, beta1)
    const least = tf.mul(tf.abs(m), 1 / largestMove(b1, b2, count))
    return { u: tf.div(m, tf.maximum(tf.add(tf.sqrt(v), eps), least)), moments }
  }
  return {
    init: (params) => {
      const { matrices, others } = placesOf(params, rank)
      const tensors = tensorsOf(params)
      const start = (i: number): Factored => {
        const [out, inputs] = tensors[i]!.shape as [number, number]
        return { A: tf.randomNormal([1, rank, inputs], 0, 1, "float32", SEED + i), B: tf.zeros([1, out, rank]) }
      }
      const zeros = () => others.map((i) => tf.zerosLike(tensors[i]!))
      return {
        count: 0,
        matrices: matrices.map((i) => ({ first: start(i), second: start(i) })),
        first: zeros(),
        second: zeros()
      }
    },
    update: (updates, state, params) => {
      const count = state.count + 1
      const { matrices, others } = placesOf(params, rank)
      const next = [...tensorsOf(updates)]
      // a tidy for each: only one matrix's temporaries [out, in] exist at a time
      const moments = matrices
        .map((i, at) =>
          tf.tidy(() => {
            const { u, moments } = step(tf.expandDims<Tensor3D>(next[i]!), state.matrices[at]!, count)
            next[i] = tf.squeeze(u, [0])
            return { u: next[i], ...moments }
          })
        )
        .map(({ first, second }) => ({ first, second }))
      const plain = adamMoves(
        others.map((i) => next[i]!),
        state.first,
        state.second,
        ratesAt(adam, count)
      )
      others.forEach((i, j) => {
        next[i] = plain[j]!.u
      })
      return {
        updates: withTensors(updates, next),
        state: {
          count,
          matrices: moments,
          first: plain.map(({ first }) => first),
          second: plain.map(({ second }) => second)
        }
      }
    }
  }
}
