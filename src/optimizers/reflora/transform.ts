/**
 * RefLoRA: AdamW on factors that are split as evenly as their product allows (Zhang, Li & Giannakis, NeurIPS 2025, arXiv 2505.18877).
 *
 * BA = (BR)(R⁻¹A) for every invertible R, and LoRA's step depends on R. Among these splits the one with R Rᵀ = S⁻¹ makes BᵀB = AAᵀ:
 *
 *   S = (AAᵀ)⁻¹ # BᵀB      the geometric mean of both: the symmetric S > 0 with S AAᵀ S = BᵀB
 *
 *   full     gA ← S⁻¹ gA     gB ← gB S     then Adam as it is; with no Adam, W moves as at the even split, whatever the split
 *   scalar   after each step, S = ‖B‖/‖A‖:  A ← √S A   B ← B/√S   m_A ← m_A/√S   v_A ← v_A/S   m_B ← √S m_B   v_B ← S v_B
 *
 * S by whitening twice (`whitening.ts`): with AAᵀ = V M Vᵀ and C = B V M^½, CᵀC has the squared singular values of BA,
 *
 *   S = V M^-½ (CᵀC)^½ M^-½ Vᵀ = P Pᵀ     P = T_A T_C Λ^¾          S⁻¹ = L Lᵀ     L = V M^½ T_C Λ^¼          CᵀC = U Λ Uᵀ, T_C = U Λ^-½
 *
 * with δ added to M and to Λ. Where B = 0, as at most starts, S is 0: the first `warmup` steps are those of what follows, or of Adam, and
 * in either form a pair of which one factor is 0 is left as it is.
 *
 * Shapes: A, gA [r, in], B, gB, C [out, r], S, P, L, T [r, r]. Cost per pair and step of the full form: four eigenproblems of r×r, two of
 * them for nothing, and O(r² (in + out)); its state is what follows it has. The scalar form: a few passes over the factors; Adam's state.
 *
 * Beside the authors' code: δ in the place of the type's epsilon on roots; its scalar form without warm-up scales the factors before the
 * first step too; here the first time is after it.
 *
 * @see github.com/zhangyilang/RefLoRA reflora/reflora.py @ 23bea48
 * @example
 * import { chain, refLora, scaleByAdam, scaleByLearningRate } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = chain(refLora({ warmup: 100 }), scaleByAdam(), scaleByLearningRate(1e-3))
 */
import type { Tensor, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { adamwSettings, loraProDamping, settled, wholeFromZero } from "../../../schemas/index.ts"
import { type AdamDecays, adamMoves, ratesAt, type Whitened } from "../../kernels/index.ts"
import { type FactorPair, type Trainable, tidy, withFactors } from "../../tensors/index.ts"
import { type AdamState, type AdamWOptions, adamw } from "../adamw/transform.ts"
import { spectrumOf } from "../gram-spectra.ts"
import { rateAt } from "../schedule.ts"
import { type PairStack, type StackedFactors, stacked, stackedFactors, stacksOf, unstackedFactors } from "../stacks.ts"
import { OfShape, type State, type StateLayout, type Transform } from "../transform.ts"
import { whitenPairs } from "../whitening.ts"

/** Options for `refLora`. */
export interface RefLoraOptions {
  /** number of warm-up steps, which leave gradients unchanged; default 0 */
  readonly warmup?: number
  /** damping δ, absolute, at least 0; default 1e-8 */
  readonly damping?: number
}

/** Of a stack: S = P Pᵀ, S⁻¹ = L Lᵀ, each [pairs, r, r]. */
type Split = { readonly P: Tensor3D; readonly L: Tensor3D }

/** State of `refLora`. */
export type RefLoraState = {
  /** number of steps taken */
  readonly count: number
  /** splits in the order of `stacksOf`; empty during the warm-up */
  readonly splits: ReadonlyArray<Split>
}

type Pairs = ReadonlyArray<FactorPair>

/** ‖·‖² of each pair: [pairs, 1, 1] */
const squaresOf = (factors: Tensor3D): Tensor3D => tf.sum(tf.square(factors), [1, 2], true)

const transposed = (x: Tensor3D): Tensor3D => tf.transpose(x, [0, 2, 1])

/** V M^-½ and V M^½ of each stack. */
const rootsOf = (stacks: ReadonlyArray<PairStack>, { whitenings }: Whitened) =>
  stacks.map((stack) => {
    const { T, values } = spectrumOf(transposed(stacked(stack, (i) => whitenings[i]!.TAt)))
    return { inverse: T, root: tf.mul<Tensor3D>(T, values) }
  })

/** The pairs with C = B V M^½ in the place of B. */
const turned = (stacks: ReadonlyArray<PairStack>, pairs: Pairs, first: Whitened): Pairs => {
  const roots = rootsOf(stacks, first)
  const factors = stacks.map((stack, i) => {
    const { A, B } = stackedFactors(stack, pairs)
    return { A, B: tf.matMul<Tensor3D>(B, roots[i]!.root) }
  })
  return withFactors(pairs, unstackedFactors(stacks, factors))
}

/** `stackPairs`: the turned pairs, whose whitenings are `second`. */
const splitsOf = (
  stacks: ReadonlyArray<PairStack>,
  first: Whitened,
  stackPairs: Pairs,
  second: Whitened
): ReadonlyArray<Split> => {
  const roots = rootsOf(stacks, first)
  return stacks.map((stack, i) => {
    const { inverse, root } = roots[i]!
    const { T, values } = spectrumOf(stacked(stack, (j) => second.whitenings[j]!.TB))
    const none = tf.equal(squaresOf(stackedFactors(stack, stackPairs).B), 0)
    const [{ length }, one] = [stack.indices, tf.eye(stack.rank)]
    const unlessNone = (M: Tensor3D): Tensor3D =>
      tf.where(tf.broadcastTo(none, M.shape), tf.tile<Tensor3D>(tf.expandDims(one), [length, 1, 1]), M)
    return {
      P: unlessNone(tf.mul(tf.matMul(inverse, T), tf.pow(values, 0.75))),
      L: unlessNone(tf.mul(tf.matMul(root, T), tf.pow(values, 0.25)))
    }
  })
}

const disposeWhitened = ({ whitenings, smallest }: Whitened) =>
  Effect.sync(() =>
    tf.dispose([smallest, ...whitenings.flatMap((whitening): ReadonlyArray<Tensor> => Object.values(whitening))])
  )

const disposeFactors = (pairs: Pairs) => Effect.sync(() => tf.dispose(pairs.flatMap(({ A, B }) => [A, B])))

/** Fails with `DeviceReadError` where a read fails. */
const readSplits = (pairs: Pairs, damping: number) => {
  const stacks = stacksOf(pairs)
  return Effect.acquireUseRelease(
    whitenPairs(pairs, damping),
    (first) =>
      Effect.acquireUseRelease(
        Effect.sync(() => tidy(() => turned(stacks, pairs, first).map(({ A, B }, i) => ({ ...pairs[i]!, A, B })))),
        (splits) =>
          Effect.acquireUseRelease(
            whitenPairs(splits, damping),
            (second) => Effect.sync(() => tidy(() => splitsOf(stacks, first, splits, second))),
            disposeWhitened
          ),
        disposeFactors
      ),
    disposeWhitened
  )
}

/**
 * Creates RefLoRA, which transforms the gradients of every pair to those at the balanced split of its product; dense parameters pass through
 * unchanged. After the warm-up it requires a `refresh` with the same parameters before each `update`, and throws without one.
 */
export const refLora = (options: RefLoraOptions = {}): Transform<RefLoraState> => {
  const settings = { warmup: { of: wholeFromZero, default: 0 }, damping: loraProDamping }
  const { warmup, damping } = settled("refLora", settings, options)
  const directions = (updates: Trainable, { count, splits }: RefLoraState, { pairs }: Trainable): Trainable => {
    if (count < warmup) return updates
    const stacks = stacksOf(pairs)
    if (splits.length !== stacks.length)
      throw new Error(
        "refLora: the state was not refreshed for these factor pairs; run refresh(state, params) before update"
      )
    const scaled = stacks.map((stack, i): StackedFactors => {
      const { A, B } = stackedFactors(stack, updates.pairs)
      const { P, L } = splits[i]!
      return {
        A: tf.matMul(L, tf.matMul<Tensor3D>(L, A, true, false)),
        B: tf.matMul(tf.matMul<Tensor3D>(B, P), P, false, true)
      }
    })
    return { pairs: withFactors(updates.pairs, unstackedFactors(stacks, scaled)), dense: updates.dense }
  }
  return {
    init: () => ({ count: 0, splits: [] }),
    layout: (initial: { readonly [key: string]: StateLayout }, { pairs }, step) => {
      const squareOf = ({ indices, rank }: PairStack) => new OfShape([indices.length, rank, rank])
      const splits = stacksOf(pairs).map((stack) => ({ P: squareOf(stack), L: squareOf(stack) }))
      return { ...initial, splits: step > warmup ? splits : [] }
    },
    refresh: (state, { pairs }) =>
      state.count < warmup
        ? Effect.succeed(state)
        : Effect.map(readSplits(pairs, damping), (splits) => ({ ...state, splits })),
    update: (updates, state, params) => ({
      updates: directions(updates, state, params),
      state: { ...state, count: state.count + 1 }
    }),
    direction: directions
  }
}

/** Options for `refLoraScalar`. */
export interface RefLoraScalarOptions extends AdamWOptions {
  /** step after which factors are first rescaled; default 1 */
  readonly warmup?: number
}

/** State of `refLoraScalar`: moments of A and B of each stack, in the order of `stacksOf`. */
export type RefLoraScalarState = AdamState & {
  /** AdamW's state for dense tensors */
  readonly dense: State
}

/** √S [pairs, 1, 1] of a stack; 1 where a factor is 0. */
const rootOfRatio = ({ A, B }: StackedFactors): Tensor3D => {
  const [a, b] = [tf.sqrt(squaresOf(A)), tf.sqrt(squaresOf(B))]
  return tf.where(tf.greater(tf.mul(a, b), 0), tf.sqrt(tf.div(b, a)), tf.onesLike(a))
}

const denseOf = ({ dense }: Trainable): Trainable => ({ pairs: [], dense })

/**
 * Creates RefLoRA's scalar form: AdamW, then rescales both factors of a pair to equal norms. Applies the learning rate itself; dense tensors use
 * AdamW.
 */
export const refLoraScalar = (options: RefLoraScalarOptions): Transform<RefLoraScalarState> => {
  const settings = { ...adamwSettings, warmup: { of: wholeFromZero, default: 1 } }
  const { warmup, learningRate, weightDecay, ...moments } = settled("refLoraScalar", settings, options)
  const decays: AdamDecays = moments
  const plain = adamw({ ...moments, learningRate, weightDecay })
  const zerosOf = ({ pairs }: Trainable): ReadonlyArray<Tensor> =>
    stacksOf(pairs).flatMap(({ indices: { length }, rank, in: inputs, out }) => [
      tf.zeros([length, rank, inputs]),
      tf.zeros([length, out, rank])
    ])
  return {
    init: (params) => ({
      count: 0,
      first: zerosOf(params),
      second: zerosOf(params),
      dense: plain.init(denseOf(params))
    }),
    update: (updates, state, params) => {
      const count = state.count + 1
      const rate = rateAt(learningRate, count)
      const stacks = stacksOf(params.pairs)
      const gradients = stacks.map((stack) => stackedFactors(stack, updates.pairs))
      const moved = adamMoves(
        gradients.flatMap(({ A, B }) => [A, B]),
        state.first,
        state.second,
        ratesAt(decays, count)
      )
      const first: Array<Tensor> = []
      const second: Array<Tensor> = []
      const moves = stacks.map((stack, i): StackedFactors => {
        const before = stackedFactors(stack, params.pairs)
        const [ofA, ofB] = [moved[2 * i]!, moved[2 * i + 1]!]
        const stepped = (factor: Tensor3D, u: Tensor): Tensor3D =>
          tf.sub(weightDecay === 0 ? factor : tf.mul(factor, 1 - rate * weightDecay), tf.mul(u, rate))
        const after = { A: stepped(before.A, ofA.u), B: stepped(before.B, ofB.u) }
        if (count < warmup) {
          first.push(ofA.first, ofB.first)
          second.push(ofA.second, ofB.second)
          return { A: tf.sub(after.A, before.A), B: tf.sub(after.B, before.B) }
        }
        const root = rootOfRatio(after)
        const ratio = tf.square(root)
        first.push(tf.div(ofA.first, root), tf.mul(ofB.first, root))
        second.push(tf.div(ofA.second, ratio), tf.mul(ofB.second, ratio))
        return { A: tf.sub(tf.mul(after.A, root), before.A), B: tf.sub(tf.div(after.B, root), before.B) }
      })
      const dense = plain.update(denseOf(updates), state.dense, denseOf(params))
      return {
        updates: { pairs: withFactors(updates.pairs, unstackedFactors(stacks, moves)), dense: dense.updates.dense },
        state: { count, first, second, dense: dense.state }
      }
    },
    learningRate: ({ count }) => rateAt(learningRate, count + 1)
  }
}
