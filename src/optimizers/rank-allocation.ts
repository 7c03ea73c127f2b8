/**
 * AdaLoRA's rank allocation (Zhang et al. 2023, arXiv 2303.10512, section 3; order of events as in PEFT): each step
 * of the inner transform updates the importance of every triplet (column of P, λ, row of Q); periodically, the λ of the
 * least important are set to 0.
 *
 *   sensitivity   I = |w·∂L/∂w|                     w after the step, ∂L/∂w before it, for every number of P, λ and Q
 *   smoothed      Ī ← β₁Ī + (1−β₁)I                 Ū ← β₂Ū + (1−β₂)|I − Ī|
 *   score         S_k = s(λ_k) + mean s(Q_k·) + mean s(P·k),  s = Ī·Ū
 *   budget        b(t) = b₁ + (b₀ − b₁)(1 − (t−t₀)/(t₁−t₀))³   for t₀ < t < t₁, rounded down; b₁ at t₁
 *
 * With t a multiple of `every`, and at t₁, all but the b(t) highest scores of all sites together have their λ set to 0.
 * Such a λ moves again with the next step, and may come back at the next allocation; after t₁ the same ones are set to
 * 0 at every step.
 *
 * Nothing is read from the device: the host knows how many stay, and the device computes which ones.
 * Gradients are raw, before the inner transform clips them.
 *
 * Shapes: Q (A of a pair) [r, in], P (B of a pair) [out, r], λ [r]; Ī and Ū as these; S [b₀]. Cost: a few passes over
 * the factors a step; the state is two numbers for each of theirs until t₁, and b₀ after it.
 */
import type { Tensor, Tensor1D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { combined, groupsOf } from "../kernels/index.ts"
import type { DenseParameter, FactorPair, Trainable } from "../tensors/index.ts"
import { layoutAt, OfShape, type State, type StateLayout, type Transform } from "./transform.ts"

type RankAllocationLayout = { readonly [Key in keyof RankAllocationState]: StateLayout }

/** Schedule of the rank budget, in steps. */
export interface RankBudget {
  /** b₀: initial number of ranks of all layers */
  readonly initial: number
  /** b₁: final number of ranks */
  readonly target: number
  /** t₀: last step with all ranks */
  readonly start: number
  /** t₁: step of the last allocation */
  readonly end: number
  /** number of steps between allocations before the last one */
  readonly every: number
}

/** Location of a layer's triplets in a tree. */
export interface RankedSite {
  /** name of the layer's pair: Q is its A, P its B */
  readonly pair: string
  /** name of the dense parameter λ */
  readonly values: string
}

/** Options for `allocateRanks`: the budget of ranks, and the averaging of importance. */
export interface RankAllocationOptions {
  /** adapted layers that share the budget */
  readonly sites: ReadonlyArray<RankedSite>
  /** number of ranks at every step */
  readonly budget: RankBudget
  /** β₁ of the sensitivity, β₂ of its uncertainty */
  readonly betas: readonly [number, number]
}

/** State of the rank allocation, around that of the inner optimizer. */
export type RankAllocationState = {
  /** number of steps taken */
  readonly count: number
  /** Ī of Q, P and λ of each layer in turn; empty after the last allocation */
  readonly importance: ReadonlyArray<Tensor>
  /** Ū, in the same order */
  readonly uncertainty: ReadonlyArray<Tensor>
  /** after the last allocation: 1 for each λ that stays, 0 for each that is 0, shape [b₀]; null before it, and if all stay */
  readonly kept: Tensor | null
  /** state of the inner optimizer */
  readonly inner: State
}

/** Returns b(t), the number of λ after step t = 1, 2, …; undefined without an allocation at this step. */
export const budgetAt = (step: number, { initial, target, start, end, every }: RankBudget): number | undefined => {
  if (step === end) return target
  if (step <= start || step > end || step % every !== 0) return undefined
  const left = 1 - (step - start) / (end - start)
  return Math.floor((initial - target) * left ** 3 + target)
}

interface Triplets {
  readonly pair: FactorPair
  readonly values: DenseParameter
}

/** The sites' parts of a tree. Throws where one is missing: that is a bug in the caller. */
const tripletsIn = ({ pairs, dense }: Trainable, sites: ReadonlyArray<RankedSite>): ReadonlyArray<Triplets> => {
  const pairOf = new Map(pairs.map((pair) => [pair.site.name, pair]))
  const denseOf = new Map(dense.map((parameter) => [parameter.name, parameter]))
  return sites.map((site) => {
    const [pair, values] = [pairOf.get(site.pair), denseOf.get(site.values)]
    if (pair === undefined || values === undefined)
      throw new Error(
        `allocateRanks: the parameters hold no ${pair === undefined ? `pair of ${site.pair}` : site.values}`
      )
    return { pair, values }
  })
}

type Tensors = ReadonlyArray<Tensor>

/** Q, P and λ of each site in turn. */
const tensorsOfTriplets = (triplets: ReadonlyArray<Triplets>): Tensors =>
  triplets.flatMap(({ pair: { A, B }, values: { value } }) => [A, B, value])

/** |w·∂L/∂w| of every number of the triplets. */
const sensitivity = (after: Tensors, gradients: Tensors): Tensors =>
  after.map((tensor, i) => tf.tidy(() => tf.abs(tf.mul(tensor, gradients[i]!))))

/** Ī and Ū with those of one more step. */
const smoothed = (
  { importance, uncertainty }: Pick<RankAllocationState, "importance" | "uncertainty">,
  sensitivities: Tensors,
  [b1, b2]: RankAllocationOptions["betas"]
) => {
  const next = combined(b1, importance, 1 - b1, sensitivities)
  const distance = combined(1, sensitivities, -1, next).map((tensor) => tf.abs(tensor))
  return { importance: next, uncertainty: combined(b2, uncertainty, 1 - b2, distance) }
}

/** Returns S of every triplet, layer by layer. Tensor code. */
export const tripletScores = ({
  importance,
  uncertainty
}: Pick<RankAllocationState, "importance" | "uncertainty">): Tensor1D =>
  tf.tidy(() => {
    const entries = groupsOf(
      importance.map((tensor, i) => tf.mul(tensor, uncertainty[i]!)),
      3
    )
    return tf.concat(entries.map(([Q, P, values]) => tf.add<Tensor1D>(values!, tf.add(tf.mean(Q!, 1), tf.mean(P!, 0)))))
  })

/** 1 for the `count` highest scores, exactly as many where some are equal, 0 for the others. */
const highest = (all: Tensor1D, count: number): Tensor1D =>
  tf.tidy(() => {
    const { indices } = tf.topk(all, count)
    return tf.scatterND(tf.expandDims(indices, 1), tf.ones([count]), [all.size])
  })

/** Updates with which every λ that does not stay becomes exactly 0: λ + (−λ). */
const masked = (updates: Trainable, params: ReadonlyArray<Triplets>, mask: Tensor): Trainable => {
  const stays = tf.split(
    tf.cast(mask, "bool"),
    params.map(({ values }) => values.value.size)
  )
  const places = new Map(params.map(({ values }, i) => [values.name, i]))
  return {
    pairs: updates.pairs,
    dense: updates.dense.map((update) => {
      const place = places.get(update.name)
      if (place === undefined) return update
      return { ...update, value: tf.where(stays[place]!, update.value, tf.neg(params[place]!.values.value)) }
    })
  }
}

/** Wraps `inner` and reduces the ranks of `sites` by the budget. All other parameters move as in `inner`. */
export const allocateRanks = (
  inner: Transform,
  { sites, budget, betas }: RankAllocationOptions
): Transform<RankAllocationState> => ({
  init: (params) => {
    const zeros = () => tensorsOfTriplets(tripletsIn(params, sites)).map((tensor) => tf.zerosLike(tensor))
    return { count: 0, importance: zeros(), uncertainty: zeros(), kept: null, inner: inner.init(params) }
  },
  layout: (initial: RankAllocationLayout, params, step) => {
    const ended = step >= budget.end
    return {
      ...initial,
      ...(ended ? { importance: [], uncertainty: [] } : {}),
      kept: ended && budget.target < budget.initial ? new OfShape([budget.initial]) : null,
      inner: layoutAt(inner, initial.inner, params, step)
    }
  },
  update: (gradients, state, params) => {
    const step = state.count + 1
    const moved = inner.update(gradients, state.inner, params)
    const triplets = tripletsIn(params, sites)
    const tensorsIn = (tree: Trainable) => tensorsOfTriplets(tripletsIn(tree, sites))
    const look = (): Pick<RankAllocationState, "importance" | "uncertainty"> => {
      const after = combined(1, tensorsOfTriplets(triplets), 1, tensorsIn(moved.updates))
      return smoothed(state, sensitivity(after, tensorsIn(gradients)), betas)
    }
    // as PEFT: the last allocation goes by what was seen before it, unless that is nothing
    const seen = step < budget.end || step === 1 ? look() : state
    const stay = budgetAt(step, budget) ?? budget.initial
    const mask = stay < budget.initial ? highest(tripletScores(seen), stay) : state.kept
    const ended = step >= budget.end
    const { importance, uncertainty } = ended ? { importance: [], uncertainty: [] } : seen
    return {
      updates: mask === null ? moved.updates : masked(moved.updates, triplets, mask),
      state: { count: step, importance, uncertainty, kept: ended ? mask : null, inner: moved.state }
    }
  },
  // what another rank moves is not known yet when sensitivities are
  obstacle: (params) =>
    inner.shared === undefined
      ? inner.obstacle?.(params)
      : "its moves are shared among ranks, and ranks are given up by all of them",
  direction: (updates, state, params) => inner.direction?.(updates, state.inner, params) ?? updates,
  refresh: (state, params) =>
    inner.refresh === undefined
      ? Effect.succeed(state)
      : Effect.map(inner.refresh(state.inner, params), (innerState) => ({ ...state, inner: innerState })),
  learningRate: (state) => inner.learningRate?.(state.inner),
  health: (state, params) => inner.health?.(state.inner, params) ?? []
})
