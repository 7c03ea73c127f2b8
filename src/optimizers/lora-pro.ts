/**
 * LoRA-Pro: move (A, B) so that W + s·BA moves as close as possible to full fine-tuning (arXiv 2407.18242, Theorem 2.1).
 *
 *   push forward   g̃  = P_B g + g P_A − P_B g P_A             from gA = sBᵀg, gB = sgAᵀ   (g itself is never formed)
 *   inner          u  = inner(g̃)                              absent: the paper's SGD form · scaleByAdam: its AdamW "full" form
 *   pull back      dA = s⁻² (BᵀB+δI)⁻¹ sBᵀu + X A
 *                  dB = s⁻² (I − P_B) s u Aᵀ (AAᵀ+δI)⁻¹ − B X   BᵀB X + X AAᵀ = −s⁻² (BᵀB+δI)⁻¹ (sBᵀu) Aᵀ
 *
 * computed in whitened coordinates (`whitening.ts`: Q_B = B T_B and Q_A = T_Aᵀ A have orthonormal columns and rows up to δ):
 *
 *   a = s⁻² T_Bᵀ gA = s⁻¹ Q_Bᵀ u     b = s⁻² gB T_A = s⁻¹ u Q_Aᵀ     Y = S ⊙ (a Q_Aᵀ)   [X = −T_B Y T_Aᵀ]
 *   dA = T_B (a − Y Q_A)             dB = (b − Q_B (Q_Bᵀ b − Y)) T_Aᵀ
 *   g̃  = s [Q_B | b − Q_B Q_Bᵀ b] · [a ; Q_A]                  one product with inner dimension 2r
 *
 * Shapes: A, dA, a [r, in], B, dB, b [out, r], g, g̃, u [out, in], X, Y, S [r, r].
 * Cost per pair and step: O(r² (in + out)), two r×r eigenproblems on the host (`refresh`); with an inner transform also its own
 * state (2·out·in for Adam) and O(r·in·out).
 * Differs from the authors' code: symmetric eigenbases of BᵀB and AAᵀ instead of pinv + complex eig, hence no special first step
 * (at B = 0: Q_B = 0, a = 0, Y = 0); the scale s is read from the pair, not fixed at 2; bias correction counts from 1; pairs are
 * given rather than guessed from parameter order; the frozen base never decays.
 *
 * @see arXiv 2407.18242, Theorem 2.1 (dA, dB), the Sylvester equation for X, Algorithms 1 (SGD) and 2 (AdamW, full)
 * @example chain(loraPro({ inner: scaleByAdam() }), scaleByLearningRate(1e-4))
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { tidy } from "../tensors/tidy.ts"
import type { DenseParameter, FactorPair, Trainable } from "../tensors/trainable.ts"
import { readGrams } from "./gram.ts"
import type { State, Transform } from "./transform.ts"
import { type Whitening, whiten } from "./whitening.ts"

/** How the move of W is split between A and B; the move itself is the same for each. */
export type XChoice = "sylvester" | "zero" | "symmetric"

export interface LoraProOptions {
  /** Transforms the equivalent gradient [out, in] of one site at a time (a norm inside it is that site's norm). */
  readonly inner?: Transform
  /** default "sylvester" */
  readonly x?: XChoice
  /** δ, absolute; default 1e-8, the authors' value */
  readonly damping?: number
}

type LoraProState = {
  /** Made by `refresh`, empty before the first one. */
  readonly whitenings: ReadonlyArray<Whitening>
  /** λ_min(BᵀB)/δ per pair at the last refresh */
  readonly conditioning: ReadonlyArray<number>
  /** The inner transform's state: one per pair, and one for the dense parameters. */
  readonly inner: { readonly pairs: ReadonlyArray<State>; readonly dense: State }
}

/** The whitened factors: bases of col(B) and row(A). */
interface Bases {
  readonly Q: tf.Tensor2D // Q_B [out, r]
  readonly R: tf.Tensor2D // Q_A [r, in]
}

/** A gradient's coordinates in them. */
interface Coordinates {
  readonly a: tf.Tensor2D // [r, in]
  readonly b: tf.Tensor2D // [out, r]
}

type Factors = Pick<FactorPair, "A" | "B">

const basesOf = (pair: Factors, w: Whitening): Bases => ({ Q: tf.matMul(pair.B, w.TB), R: tf.matMul(w.TAt, pair.A) })

const coordinatesOf = (gradient: Factors, w: Whitening): Coordinates => ({
  a: tf.matMul(w.TBgrad, gradient.A),
  b: tf.matMul(gradient.B, w.TAgrad)
})

/** N = Q_Bᵀ b, and Y (null stands for 0): both [r, r]. */
const splitOf = ({ a, b }: Coordinates, { Q, R }: Bases, w: Whitening, x: XChoice) => {
  const N = tf.matMul(Q, b, true, false)
  if (x === "zero") return { N, Y: null }
  return {
    N,
    Y: x === "symmetric" ? tf.mul<tf.Tensor2D>(N, 0.5) : tf.mul<tf.Tensor2D>(w.S, tf.matMul(a, R, false, true))
  }
}

const pullBack = (coordinates: Coordinates, bases: Bases, w: Whitening, x: XChoice): Factors => {
  const { a, b } = coordinates
  const { N, Y } = splitOf(coordinates, bases, w, x)
  const left = Y === null ? a : tf.sub<tf.Tensor2D>(a, tf.matMul(Y, bases.R))
  const right = tf.sub<tf.Tensor2D>(b, tf.matMul(bases.Q, Y === null ? N : tf.sub<tf.Tensor2D>(N, Y)))
  return { A: tf.matMul(w.TB, left), B: tf.matMul(right, w.TAt) }
}

const pushForward = ({ a, b }: Coordinates, { Q, R }: Bases, scale: number): tf.Tensor2D => {
  const rest = tf.sub<tf.Tensor2D>(b, tf.matMul(Q, tf.matMul(Q, b, true, false)))
  return tf.matMul(tf.mul<tf.Tensor2D>(tf.concat([Q, rest], 1), scale), tf.concat([a, R], 0))
}

/** Theorem 2.1: the factor gradients' (dA, dB). Pure tensor code. */
export const theorem = (pair: FactorPair, gradient: Factors, w: Whitening, x: XChoice): Factors =>
  pullBack(coordinatesOf(gradient, w), basesOf(pair, w), w, x)

/** g̃ [out, in], the change of W that the theorem's factor directions amount to; the same for every X. */
export const equivalentGradient = (pair: FactorPair, gradient: Factors, w: Whitening): tf.Tensor2D =>
  pushForward(coordinatesOf(gradient, w), basesOf(pair, w), pair.scale)

/** The theorem's X [r, r] itself. The optimizer never forms it; it is here to be looked at and tested. */
export const freeMatrix = (pair: FactorPair, gradient: Factors, w: Whitening, x: XChoice): tf.Tensor2D => {
  const { Y } = splitOf(coordinatesOf(gradient, w), basesOf(pair, w), w, x)
  return Y === null ? tf.zerosLike(w.S) : tf.neg(tf.matMul(tf.matMul(w.TB, Y), w.TAt))
}

/** (dA, dB) from an update u [out, in] of W: the theorem with sBᵀu and suAᵀ as factor gradients. */
const pullBackFull = (u: tf.Tensor2D, bases: Bases, w: Whitening, scale: number, x: XChoice): Factors => {
  // Transposing the thin operand first keeps these two products, the only ones over [out, in], plain for the wasm backend.
  const a = tf.mul<tf.Tensor2D>(tf.matMul(tf.transpose(bases.Q), u), 1 / scale)
  const b = tf.mul<tf.Tensor2D>(tf.matMul(u, tf.transpose(bases.R)), 1 / scale)
  return pullBack({ a, b }, bases, w, x)
}

/** What `inner` sees of one pair: a tree of one dense tensor [out, in]. */
const siteTree = (pair: FactorPair, value: tf.Tensor2D): Trainable => ({
  pairs: [],
  dense: [{ name: pair.site.name, role: "body", value }]
})

const denseTree = (dense: ReadonlyArray<DenseParameter>): Trainable => ({ pairs: [], dense })

interface SiteStep {
  readonly pair: FactorPair
  readonly gradient: FactorPair
  readonly w: Whitening
  readonly inner: Transform | undefined
  readonly state: State
  readonly x: XChoice
}

type SiteResult = Factors & { readonly state: State }

/** One pair's step in a tidy of its own: with an inner transform, only one site's [out, in] temporaries exist at a time. */
const stepSite = ({ pair, gradient, w, inner, state, x }: SiteStep): SiteResult => {
  const run = (): SiteResult => {
    if (inner === undefined) return { ...theorem(pair, gradient, w, x), state }
    const bases = basesOf(pair, w)
    // There is no W to show as the parameter: what decays or measures parameters does not belong inside.
    const tree = siteTree(pair, pushForward(coordinatesOf(gradient, w), bases, pair.scale))
    const next = inner.update(tree, state, tree)
    const u = next.updates.dense[0]!.value as tf.Tensor2D
    return { ...pullBackFull(u, bases, w, pair.scale, x), state: next.state }
  }
  return tidy(run)
}

const initInner = (inner: Transform | undefined, params: Trainable): LoraProState["inner"] => {
  if (inner === undefined) return { pairs: [], dense: null }
  return {
    pairs: params.pairs.map((pair) => {
      const zeros = tf.zeros<tf.Rank.R2>([pair.site.out, pair.site.in])
      const state = inner.init(siteTree(pair, zeros))
      zeros.dispose()
      return state
    }),
    dense: inner.init(denseTree(params.dense))
  }
}

/**
 * LoRA-Pro on every pair. Without `inner`, dense parameters pass through unchanged; with it, they pass through `inner` as they are.
 * `refresh` must have run on the same parameters before `update`. Throws when it has not: that is a bug in the caller.
 */
export const loraPro = (options: LoraProOptions = {}): Transform<LoraProState> => {
  const { inner, x = "sylvester", damping = 1e-8 } = options
  return {
    init: (params) => ({ whitenings: [], conditioning: [], inner: initInner(inner, params) }),
    refresh: (state, params) =>
      Effect.map(readGrams(params.pairs), (grams) => {
        const made = grams.map((gram, i) => whiten(gram, params.pairs[i]!.scale, damping))
        return {
          ...state,
          whitenings: made.map(({ whitening }) => whitening),
          conditioning: made.map(({ smallest }) => (damping === 0 ? Number.POSITIVE_INFINITY : smallest / damping))
        }
      }),
    update: (updates, state, params) => {
      if (state.whitenings.length !== params.pairs.length) {
        throw new Error(
          `loraPro: ${params.pairs.length} factor pairs, but the state was refreshed for ${state.whitenings.length}; run refresh(state, params) before update`
        )
      }
      const steps = params.pairs.map((pair, i) =>
        stepSite({
          pair,
          gradient: updates.pairs[i]!,
          w: state.whitenings[i]!,
          inner,
          state: state.inner.pairs[i] ?? null,
          x
        })
      )
      const dense = inner?.update(denseTree(updates.dense), state.inner.dense, denseTree(params.dense))
      return {
        updates: {
          pairs: updates.pairs.map((pair, i) => ({ ...pair, A: steps[i]!.A, B: steps[i]!.B })),
          dense: dense?.updates.dense ?? updates.dense
        },
        state: {
          ...state,
          inner: { pairs: steps.map((step) => step.state), dense: dense?.state ?? state.inner.dense }
        }
      }
    },
    health: (state, params) =>
      params.pairs.map((pair, i) => ({ site: pair.site.name, conditioning: state.conditioning[i] ?? 0 }))
  }
}
