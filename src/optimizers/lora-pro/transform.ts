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
 * Cost per pair and step: O(r² (in + out)), two r×r eigenproblems in float64 (`refresh`); with an inner transform also its own state
 * (2·out·in for Adam) and O(r·in·out); `factored-adam.ts` needs neither. The products are kernels over all pairs (`src/kernels/lora-pro.ts`), and with Adam inside so is
 * the whole step (`lora-pro-adam.ts`); any other inner transform is run site by site.
 * With dropout (`adapters/inject.ts`) g is formed from the dropped input, g = dyᵀD(x): gA = sBᵀg and gB = sgAᵀ hold for the mask
 * of the step, so the theorem holds for that stochastic gradient as it does for a batch's.
 * Differs from the authors' code: symmetric eigenbases of BᵀB and AAᵀ instead of pinv + complex eig, hence no special first step
 * (at B = 0: Q_B = 0, a = 0, Y = 0); the scale s is read from the pair, not fixed at 2; bias correction counts from 1; pairs are
 * given rather than guessed from parameter order; the frozen base never decays.
 *
 * @see arXiv 2407.18242, Theorem 2.1 (dA, dB), the Sylvester equation for X, Algorithms 1 (SGD) and 2 (AdamW, full)
 * @example
 * import { chain, loraPro, scaleByAdam, scaleByLearningRate } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = chain(loraPro({ inner: scaleByAdam() }), scaleByLearningRate(1e-4))
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { freeMatrixChoice, loraProDamping, settled, unchecked } from "../../../schemas/index.ts"
import {
  type Factors,
  loraProAdamMoves,
  loraProDirections,
  ratesAt,
  stateZeros,
  theoremThrough,
  type Whitening,
  type XChoice
} from "../../kernels/index.ts"
import { type DenseParameter, type FactorPair, type Trainable, tidy, withFactors } from "../../tensors/index.ts"
import { type AdamState, type AdamTransform, isAdam, scaleByAdam } from "../adamw/transform.ts"
import type { PairSharing } from "../pairs-among.ts"
import { Elsewhere, type Shared, type State, type StateLayout, type Transform } from "../transform.ts"
import {
  conditioningOf,
  notWhitened,
  type WhitenedState,
  whitenedLayout,
  whiteningsFor,
  whitenPairs
} from "../whitening.ts"
import type { FactoredAdam, FactoredMoments } from "./factored-adam.ts"

export { equivalentGradient, freeMatrix, theorem, type XChoice } from "../../kernels/index.ts"

/** Options for `loraPro`. */
export interface LoraProOptions {
  /**
   * Transform of the equivalent gradient [out, in], one layer at a time (a norm inside it is that layer's norm). `scaleByAdam` alone
   * runs as one kernel for all layers, and `factoredAdam` and `TangentMoves` never form the gradient. Default: none, the paper's SGD form.
   */
  readonly inner?: Transform | FactoredAdam | TangentMoves
  /** choice of X in the theorem; default "sylvester" */
  readonly x?: XChoice
  /** damping δ, absolute, at least 0; default 1e-8, the authors' value */
  readonly damping?: number
  /**
   * Division of pairs with an [out, in] state among the ranks of a run, for `scaleByAdam` inside. Later transforms of a chain must move each
   * pair independently. Absent: this process moves all pairs.
   */
  readonly sharing?: PairSharing
}

/** One per pair, or per shape of pairs, and one for the dense parameters. Of a pair that another rank moves its tensors are `Elsewhere`. */
type InnerState<S extends State, D extends State = S> = { readonly pairs: ReadonlyArray<S>; readonly dense: D }

type LoraProState<S extends State = State, D extends State = S> = WhitenedState & {
  /** state of the inner transform */
  readonly inner: InnerState<S, D>
}

/** What `inner` sees of one pair: a tree of one dense tensor [out, in]. */
const siteTree = (pair: FactorPair, value: tf.Tensor2D): Trainable => ({
  pairs: [],
  dense: [{ name: pair.site.name, role: "body", value }]
})

const denseTree = (dense: ReadonlyArray<DenseParameter>): Trainable => ({ pairs: [], dense })

/** Pairs before a step: parameters, gradients and whitenings in the same order. */
export interface Pairs {
  readonly params: ReadonlyArray<FactorPair>
  readonly gradients: ReadonlyArray<FactorPair>
  readonly whitenings: ReadonlyArray<Whitening>
  readonly x: XChoice
}

/** What becomes of them: a direction for each pair, and the states. */
interface Moved<S extends State> {
  readonly directions: ReadonlyArray<Factors>
  readonly states: ReadonlyArray<S>
}

/** What happens between push forward and pull back. */
interface Inner<S extends State, D extends State = S> {
  readonly obstacle?: (pairs: ReadonlyArray<FactorPair>) => string | undefined
  readonly init: (params: Trainable) => InnerState<S, D>
  readonly move: (pairs: Pairs, states: ReadonlyArray<S>) => Moved<S>
  readonly updateDense: (
    updates: Trainable["dense"],
    state: D,
    params: Trainable["dense"]
  ) => { readonly dense: Trainable["dense"]; readonly state: D }
  readonly shared?: Shared<ReadonlyArray<S>>
}

/** Stateless directions computed in the whitened coordinates of all pairs. */
export interface TangentMoves {
  /** Returns why these pairs cannot be stepped; as `Transform.obstacle` */
  readonly obstacle?: (pairs: ReadonlyArray<FactorPair>) => string | undefined
  readonly movesOf: (pairs: Pairs) => ReadonlyArray<Factors>
}

/** Of a float32. */
const ROUNDING = 2 ** -24

/**
 * T_A of `whitening` times 0 where theory moves B by nothing and round-off by something, so that b and with it dB are exactly 0.
 *
 * With X = 0 dB is what b keeps outside col(B). Of a square B (r = out) of full rank that is b − Q_B Q_Bᵀ b = δ (BBᵀ+δI)⁻¹ b: at most the share
 * δ/(λ_min+δ) of b. What cancels is as large as b, and Q_B = B T_B with T_B rounded to u = 2⁻²⁴ is off by u κ √r, κ² = (λ_max+δ)/(λ_min+δ), so the
 * difference has an error of about 2 u κ r of b (a sum over r of both). A share below that is nothing but this error, whose size Adam does not see: it
 * would move B by whole steps in random directions. A share above it, as of a B that is still small, stays, and so does b where κ lets no
 * digit be trusted (B = 0 with δ = 0). Columns of T_B have the squared norms 1/(λ+δ). NaN stays NaN.
 */
const withoutRoundOff = (
  whitening: Whitening,
  { B: { shape } }: FactorPair,
  x: XChoice,
  damping: number
): Whitening => {
  const [out, r] = shape
  if (x !== "zero" || out !== r) return whitening
  const inverses = tf.sum(tf.square(whitening.TB), 0)
  const largest = tf.max(inverses)
  const error = tf.mul(tf.sqrt(tf.div(largest, tf.min(inverses))), 2 * ROUNDING * r)
  const isNothing = tf.logicalAnd(tf.lessEqual(tf.mul(largest, damping), error), tf.less(error, 1))
  return { ...whitening, TAgrad: tf.mul(whitening.TAgrad, tf.sub(1, tf.cast(isNothing, "float32"))) }
}

/** The theorem's directions, with 0 in the place of round-off. */
const theoremMoves = ({ params, gradients, whitenings, x }: Pairs, damping: number): ReadonlyArray<Factors> =>
  tidy(() => {
    const whole = whitenings.map((whitening, i) => withoutRoundOff(whitening, params[i]!, x, damping))
    return loraProDirections(params, gradients, whole, x)
  })

/** The paper's SGD form. */
const theorems = (damping: number): TangentMoves => ({ movesOf: (pairs) => theoremMoves(pairs, damping) })

/** Dense parameters pass through. */
const movesInside = ({ movesOf, obstacle }: TangentMoves): Inner<null> => ({
  ...(obstacle === undefined ? {} : { obstacle }),
  init: () => ({ pairs: [], dense: null }),
  move: (pairs) => ({ directions: movesOf(pairs), states: [] }),
  updateDense: (dense, state) => ({ dense, state })
})

const initInner = <S extends State>(inner: Transform<S>, params: Trainable): InnerState<S> => ({
  pairs: params.pairs.map((pair) => {
    const zeros = tf.zeros<tf.Rank.R2>([pair.site.out, pair.site.in])
    const state = inner.init(siteTree(pair, zeros))
    zeros.dispose()
    return state
  }),
  dense: inner.init(denseTree(params.dense))
})

/** Everything of an inner transform but the pairs' step. */
const inside = <S extends State>(inner: Transform<S>): Omit<Inner<S>, "move"> => ({
  init: (params) => initInner(inner, params),
  updateDense: (updates, before, params) => {
    const next = inner.update(denseTree(updates), before, denseTree(params))
    return { dense: next.updates.dense, state: next.state }
  }
})

/** One pair's step in a tidy of its own: only one site's [out, in] temporaries exist at a time. */
const stepSite = <S extends State>(inner: Transform<S>, pairs: Pairs, i: number, before: S): Factors & { state: S } => {
  const [pair, gradient, w] = [pairs.params[i]!, pairs.gradients[i]!, pairs.whitenings[i]!]
  return tidy(() => {
    let state = before
    const step = (g: tf.Tensor2D): tf.Tensor2D => {
      // There is no W to show as the parameter: what decays or measures parameters does not belong inside.
      const tree = siteTree(pair, g)
      const next = inner.update(tree, before, tree)
      state = next.state
      return next.updates.dense[0]!.value as tf.Tensor2D
    }
    return { ...theoremThrough(step, pair, gradient, w, pairs.x), state }
  })
}

/** Any transform, site by site. */
const transformInside = <S extends State>(inner: Transform<S>): Inner<S> => ({
  ...inside(inner),
  move: (pairs, states) => {
    const steps = states.map((state, i) => stepSite(inner, pairs, i, state))
    return { directions: steps, states: steps.map(({ state }) => state) }
  }
})

/** Adam's state of a pair, here or on the rank that moves it. */
type PairMoments = {
  readonly count: number
  readonly first: ReadonlyArray<tf.Tensor | Elsewhere>
  readonly second: ReadonlyArray<tf.Tensor | Elsewhere>
}

/** Adam, in one kernel for all pairs that this rank moves. */
const adamInside = (inner: AdamTransform, sharing: PairSharing | undefined): Inner<PairMoments, AdamState> => {
  const { updateDense } = inside(inner)
  const momentsOf = <T extends tf.Tensor | Elsewhere>(make: () => T) => ({
    count: 0,
    first: [make()],
    second: [make()]
  })
  return {
    updateDense,
    init: ({ pairs, dense }) => {
      const owners = sharing?.ownersOf(pairs)
      return {
        pairs: pairs.map(({ site }, i) => {
          const owner = owners?.[i]
          return momentsOf(
            owner === undefined || owner === sharing?.rank
              ? () => stateZeros([site.out, site.in])
              : () => new Elsewhere(owner, [site.out, site.in])
          )
        }),
        dense: inner.init(denseTree(dense))
      }
    },
    move: ({ params, gradients, whitenings, x }, states) => {
      const count = (states[0]?.count ?? 0) + 1
      const steps = states.flatMap(({ first: [first], second: [second] }, i) =>
        first instanceof tf.Tensor && second instanceof tf.Tensor
          ? [{ i, pair: params[i]!, gradient: gradients[i]!, whitening: whitenings[i]!, first, second }]
          : []
      )
      // what another rank moves stays as it came, until the moves have travelled
      const directions: Array<Factors> = [...gradients]
      const next = states.map((state): PairMoments => ({ ...state, count }))
      loraProAdamMoves(steps, x, ratesAt(inner.adam, count)).forEach(({ first, second, ...move }, at) => {
        const { i } = steps[at]!
        directions[i] = move
        next[i] = { count, first: [first], second: [second] }
      })
      return { directions, states: next }
    },
    ...(sharing === undefined ? {} : { shared: sharing.shared() })
  }
}

/** Adam with moments that are products, shape by shape; dense parameters get Adam as it is. */
const factoredInside = (inner: FactoredAdam): Inner<FactoredMoments, AdamState> => {
  const { updateDense, init } = inside(scaleByAdam(inner.factored))
  return {
    init: ({ pairs, dense }) => ({ pairs: inner.init(pairs), dense: init(denseTree(dense)).dense }),
    updateDense,
    move: (pairs, states) => {
      const next = inner.move(pairs, states)
      return {
        directions: loraProDirections(pairs.params, next.gradients, pairs.whitenings, pairs.x),
        states: next.states
      }
    }
  }
}

const withInner = <S extends State, D extends State>(
  inner: Inner<S, D>,
  x: XChoice,
  damping: number
): Transform<LoraProState<S, D>> => ({
  obstacle: ({ pairs }) => inner.obstacle?.(pairs),
  init: (params) => ({ ...notWhitened, inner: inner.init(params) }),
  layout: (initial: { readonly inner: StateLayout }, { pairs }, step) => ({
    ...initial,
    ...whitenedLayout(pairs, step)
  }),
  refresh: (state, params) => Effect.map(whitenPairs(params.pairs, damping), (whitened) => ({ ...state, ...whitened })),
  update: (updates, state, params) => {
    const whitenings = whiteningsFor("loraPro", state, params.pairs)
    const pairs = { params: params.pairs, gradients: updates.pairs, whitenings, x }
    const { directions, states } = inner.move(pairs, state.inner.pairs)
    const dense = inner.updateDense(updates.dense, state.inner.dense, params.dense)
    return {
      updates: { pairs: withFactors(updates.pairs, directions), dense: dense.dense },
      state: { ...state, inner: { pairs: states, dense: dense.state } }
    }
  },
  // the theorem's, whatever is inside
  direction: (updates, state, { pairs }) => {
    const whitenings = whiteningsFor("loraPro", state, pairs)
    const moves = theoremMoves({ params: pairs, gradients: updates.pairs, whitenings, x }, damping)
    return { pairs: withFactors(updates.pairs, moves), dense: updates.dense }
  },
  health: (state, { pairs }) => conditioningOf(state, pairs, damping),
  ...(inner.shared === undefined ? {} : { shared: sharedInside(inner.shared) })
})

const sharedInside = <S extends State, D extends State>({
  complete,
  keep,
  held
}: Shared<ReadonlyArray<S>>): Shared<LoraProState<S, D>> => ({
  complete,
  keep: (state, params) => ({ ...state, inner: { ...state.inner, pairs: keep(state.inner.pairs, params) } }),
  held: (state) => held(state.inner.pairs)
})

const settings = { inner: unchecked, x: freeMatrixChoice, damping: loraProDamping, sharing: unchecked }

/**
 * Creates LoRA-Pro for every pair. Without `inner`, or with `TangentMoves`, dense parameters pass through unchanged; otherwise `inner` transforms
 * them. Requires a `refresh` with the same parameters before `update`, and throws without one, which is a bug in the caller.
 */
export const loraPro = (options: LoraProOptions = {}): Transform<LoraProState> => {
  const { inner, x, damping, sharing } = settled("loraPro", settings, options)
  if (inner === undefined) return withInner(movesInside(theorems(damping)), x, damping)
  if ("movesOf" in inner) return withInner(movesInside(inner), x, damping)
  if ("factored" in inner) return withInner(factoredInside(inner), x, damping)
  return isAdam(inner)
    ? withInner(adamInside(inner, sharing), x, damping)
    : withInner(transformInside(inner), x, damping)
}
