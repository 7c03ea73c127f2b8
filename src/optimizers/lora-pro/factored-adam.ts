/**
 * Adam within LoRA-Pro's full form without a number for each number of W: it replaces `scaleByAdam` there. Ours, not the paper's.
 *
 *   first moment   m ← β₁ P_T(m) + (1−β₁) g̃            P_T(x) = P_B x + x P_A − P_B x P_A: what the factors of this step can do
 *   second moment  ρ ← β₂ρ + (1−β₂)·meanⱼ g̃ᵢⱼ²         κ ← β₂κ + (1−β₂)·meanᵢ g̃ᵢⱼ²          v ≈ ρκ/v̄, v̄ = mean ρ = mean κ
 *   direction      uᵢⱼ = m̂ᵢⱼ √v̄ / ((√ρ̂ᵢ + ε)(√κ̂ⱼ + ε))   bias corrections as in `adam.ts`
 *
 * g̃ has rank 2r and is never formed, nor is m or u: with the orthonormal bases Q of B and R of A that LoRA-Pro's whitening makes,
 *
 *   g̃ = [Q | c][a ; R]      a = Qᵀg̃    b = g̃Rᵀ    c = b − QQᵀb
 *
 * and m, after P_T, has the same form, with a_m = β₁ Qᵀm + a and b_m = β₁ mRᵀ + b. Row i of g̃ has the sum of squares lᵢ K Kᵀ lᵢᵀ, where
 * g̃ = L K: [Q | c + Q(aRᵀ)] and [a − (aRᵀ)R ; R], whose cross products vanish, so that nothing is lost to rounding. Rows and columns
 * are scaled where they are: u = (D_ρ L)(K D_κ). Then LoRA-Pro's theorem takes sBᵀu and suAᵀ as it takes gradients.
 *
 * What is exact: u is Adam's where every g̃² has rank one and T stays (relative difference ≤ ε/√ρ̂ + ε/√κ̂). Elsewhere v is what
 * Adafactor keeps (Shazeer & Stern, arXiv 1804.04235), and of m what the factors have turned away from is forgotten earlier: LoRA-Pro's
 * pull back would drop most of it in any case.
 * What holds: u is a function of W, P_B and P_A alone, so that (BR, R⁻¹A) moves W alike to first order for every invertible R. From a
 * state of zeros, ⟨g, ΔW⟩ = −η Σ g̃ᵢⱼ²·(something positive) ≤ 0.
 *
 * Shapes: a, R [r, in], b, c, Q [out, r], m [out, in] as [out, 2r] times [2r, in], ρ [out], κ [in]. Pairs of one shape are stacked: some
 * fifty ops for a shape, not for a pair. State: (2r + 1)(in + out) numbers a pair. Cost: O(r²(in + out)).
 *
 * @example
 * import { chain, factoredAdam, loraPro, scaleByLearningRate } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = chain(loraPro({ inner: factoredAdam() }), scaleByLearningRate(1e-4))
 */
import type { Tensor, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { adamSettings, settled } from "../../../schemas/index.ts"
import type { AdamDecays, Factors, Whitening } from "../../kernels/index.ts"
import type { FactorPair } from "../../tensors/index.ts"
import type { AdamOptions } from "../adamw/transform.ts"
import {
  type PairStack,
  type StackedFactors,
  stacked,
  stackedFactors,
  stackedScales,
  stacksOf,
  unstackedFactors
} from "../stacks.ts"

/** Factored moments of the pairs of one shape. */
export type FactoredMoments = {
  /** number of steps taken */
  readonly count: number
  /** left factor of m/(1−β₁): [pairs, out, 2r] */
  readonly left: Tensor
  /** right factor of m/(1−β₁): [pairs, 2r, in] */
  readonly right: Tensor
  /** ρ/(1−β₂): [pairs, out, 1] */
  readonly rows: Tensor
  /** κ/(1−β₂): [pairs, 1, in] */
  readonly columns: Tensor
}

/** All pairs before a step. */
interface Pairs {
  readonly params: ReadonlyArray<FactorPair>
  readonly gradients: ReadonlyArray<Factors>
  readonly whitenings: ReadonlyArray<Whitening>
}

/** Adam with the moments of W's gradient [out, in] as products of thin matrices, for `loraPro({ inner })`. */
export interface FactoredAdam {
  /** β₁, β₂ and ε of the moments */
  readonly factored: AdamDecays
  /** Creates the moments of the pairs of each shape, in the order of `stacksOf`. */
  readonly init: (pairs: ReadonlyArray<FactorPair>) => ReadonlyArray<FactoredMoments>
  /** Returns sBᵀu and suAᵀ of every pair, in their order, from sBᵀg and sgAᵀ. */
  readonly move: (
    pairs: Pairs,
    states: ReadonlyArray<FactoredMoments>
  ) => {
    /** sBᵀu [r, in] and suAᵀ [out, r] of every pair, in their order */
    readonly gradients: ReadonlyArray<Factors>
    /** states after this step, in the order of the input */
    readonly states: ReadonlyArray<FactoredMoments>
  }
}

const zeros = ({ indices, rank, in: inputs, out }: PairStack): FactoredMoments => ({
  count: 0,
  left: tf.zeros([indices.length, out, 2 * rank]),
  right: tf.zeros([indices.length, 2 * rank, inputs]),
  rows: tf.zeros([indices.length, out, 1]),
  columns: tf.zeros([indices.length, 1, inputs])
})

const product = (x: Tensor, y: Tensor, transposeX = false, transposeY = false) =>
  tf.matMul(x, y, transposeX, transposeY) as Tensor3D

/** x − Q(Qᵀx): what the columns of Q do not reach. */
const outside = (Q: Tensor3D, x: Tensor3D): Tensor3D => tf.sub(x, product(Q, product(Q, x, true)))

interface Bases {
  readonly Q: Tensor3D
  readonly R: Tensor3D
}

/** Qᵀx and xRᵀ. */
interface Coordinates {
  readonly a: Tensor3D
  readonly b: Tensor3D
}

interface Product {
  readonly left: Tensor3D
  readonly right: Tensor3D
}

const productOf = ({ a, b }: Coordinates, { Q, R }: Bases): Product => ({
  left: tf.concat([Q, outside(Q, b)], 2),
  right: tf.concat([a, R], 1)
})

const coordinatesOf = (
  { left, right }: { readonly left: Tensor; readonly right: Tensor },
  { Q, R }: Bases
): Coordinates => ({
  a: product(product(Q, left, true), right),
  b: product(left, product(right, R, false, true))
})

/** meanⱼ of (left·right)ᵢⱼ², [pairs, out, 1]. */
const rowMeans = ({ left, right }: Product): Tensor3D =>
  tf.div(tf.sum(tf.mul(product(left, product(right, right, false, true)), left), 2, true), right.shape[2])

/** meanᵢ, [pairs, 1, in]. */
const columnMeans = ({ left, right }: Product): Tensor3D =>
  tf.div(tf.sum(tf.mul(product(product(left, left, true), right), right), 1, true), left.shape[1])

/** Means of squares of x = [Q | c][a ; R] over its rows and over its columns. */
const meansOf = (coordinates: Coordinates, bases: Bases) => {
  const { a, b } = coordinates
  const { Q, R } = bases
  const across = product(a, R, false, true)
  const split = {
    left: tf.concat([Q, tf.add(outside(Q, b), product(Q, across))], 2) as Tensor3D,
    right: tf.concat([tf.sub(a, product(across, R)), R], 1) as Tensor3D
  }
  return { rows: rowMeans(split), columns: columnMeans(productOf(coordinates, bases)) }
}

const stackWhitening = (stack: PairStack, whitenings: ReadonlyArray<Whitening>) => {
  const of = (name: keyof Whitening) => stacked(stack, (i) => whitenings[i]![name])
  return { TB: of("TB"), TBgrad: of("TBgrad"), TAt: of("TAt"), TAgrad: of("TAgrad") }
}

const moved = (
  stack: PairStack,
  { params, gradients, whitenings }: Pairs,
  before: FactoredMoments,
  decays: AdamDecays
) => {
  const count = before.count + 1
  const { b1, b2 } = decays
  const k = (1 - b1) / (1 - b1 ** count)
  const c = (1 - b2) / (1 - b2 ** count)
  const [pair, gradient] = [stackedFactors(stack, params), stackedFactors(stack, gradients)]
  const scale = stackedScales(stack, params)
  const w = stackWhitening(stack, whitenings)
  const bases: Bases = { Q: product(pair.B, w.TB), R: product(w.TAt, pair.A) }
  // the whitening's s⁻² and one s: g̃ is of W's size
  const a = tf.mul<Tensor3D>(product(w.TBgrad, gradient.A), scale)
  const b = tf.mul<Tensor3D>(product(gradient.B, w.TAgrad), scale)
  const means = meansOf({ a, b }, bases)
  const rows = tf.add(tf.mul(before.rows, b2), means.rows)
  const columns = tf.add(tf.mul(before.columns, b2), means.columns)
  const past = coordinatesOf(before, bases)
  const moment = productOf({ a: tf.add(tf.mul(past.a, b1), a), b: tf.add(tf.mul(past.b, b1), b) }, bases)
  const root = (means: Tensor) => tf.sqrt(tf.mul(means, c))
  const u = {
    left: tf.mul<Tensor3D>(
      moment.left,
      tf.div(tf.mul(root(tf.mean(rows, 1, true)), k), tf.add(root(rows), decays.eps))
    ),
    right: tf.div<Tensor3D>(moment.right, tf.add(root(columns), decays.eps))
  }
  const uA = product(u.left, product(u.right, pair.A, false, true))
  const Bu = product(product(pair.B, u.left, true), u.right)
  const through: StackedFactors = { A: tf.mul(Bu, scale), B: tf.mul(uA, scale) }
  return { through, state: { count, ...moment, rows, columns } }
}

/** Creates factored moments for LoRA-Pro's full form: (2r + 1)(in + out) values of state per layer instead of 2·out·in. */
export const factoredAdam = (options: AdamOptions = {}): FactoredAdam => {
  const factored: AdamDecays = settled("factoredAdam", adamSettings, options)
  return {
    factored,
    init: (pairs) => stacksOf(pairs).map(zeros),
    move: (pairs, states) => {
      const stacks = stacksOf(pairs.params)
      const steps = stacks.map((stack, i) => moved(stack, pairs, states[i]!, factored))
      return {
        gradients: unstackedFactors(
          stacks,
          steps.map(({ through }) => through)
        ),
        states: steps.map(({ state }) => state)
      }
    }
  }
}
