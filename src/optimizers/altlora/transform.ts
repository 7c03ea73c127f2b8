/**
 * AltLoRA: A and B take turns, each by the gradient of W projected on what that factor can do, with a momentum that is carried along as
 * the other factor moves (Yu, Wang, Chen & Xue 2025, arXiv 2505.12455, Algorithm 1). AltLoRA+ adds Adam's second moment (Algorithm 2).
 *
 *   odd t   g̃ = s⁻² gB (AAᵀ+δI)⁻¹     M_B ← β₁ M_B A′Aᵀ(AAᵀ+δI)⁻¹ + (1−β₁) g̃     B ← B − η(u_B + λB)      A rests
 *   even t  g̃ = s⁻² (BᵀB+δI)⁻¹ gA     M_A ← β₁ (BᵀB+δI)⁻¹BᵀB′ M_A + (1−β₁) g̃     A ← A − η(u_A + λA)      B rests
 *   u = M, AltLoRA+: V ← β₂V + (1−β₂) g̃²,  u = M / (√V + ε)          A′, B′: the other factor at the last step of this one
 *
 * With u = M a step moves W by −ηP_B(…) or −η(…)P_A of averaged gradients, whatever the basis of the factors: (BR, R⁻¹A) moves W alike for
 * every invertible R. AltLoRA+ divides entry by entry, which keeps that for an R that permutes the rank or flips signs alone, and for no other.
 *
 * Beside the paper, whose first step is A's: here B has it, since from B = 0 a step of A moves nothing. δ is the authors' 1e-5.
 *
 * `variant: "code"`, the authors' program as it is when neither factor is frozen by its trainer: both factors move at every step, A first
 * and then B by (AAᵀ+δI)⁻¹ of the *new* A, without s⁻²; the step is divided by 1 − β₁ᵗ (V by nothing); AltLoRA+ steps by a carried
 * momentum and keeps one that is not carried. Its ε is 1e-4. It multiplies a moved factor by 1 − ηλ; here, as in the paper, λ times the
 * factor before the step is subtracted.
 *
 * Computed by whitening, as LoRA-Pro is (`whitening.ts`): a map by which gradients enter, of s⁻², and one by which they leave, each as wrong
 * as cond and not as cond². Pairs of one shape are stacked: some twenty ops for a shape, not for a pair.
 *
 * Shapes: A, gA, M_A [r, in], B, gB, M_B [out, r]. Cost per pair and step: that of whitening and O(r² (in + out)). State: 2r(in + out)
 * numbers a pair, M and the factors A′, B′; 3r(in + out) with V. Dense tensors have AdamW.
 *
 * @see github.com/LucasXinYu/AltLoRA optimizer_new.py @ 94b2198
 * @example
 * import { altLora } from "tfjs-lora-pro/optimizers"
 *
 * const optimizer = altLora({ learningRate: 0.1 })
 */
import type { Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { type AltLoraConfig, adamwSettings, altLoraSettings, settled } from "../../../schemas/index.ts"
import type { Whitening } from "../../kernels/index.ts"
import { type Trainable, withFactors } from "../../tensors/index.ts"
import { type AdamWOptions, adamw } from "../adamw/transform.ts"
import { gramSpectra, spectraObstacle } from "../gram-spectra.ts"
import { rateAt } from "../schedule.ts"
import { type PairStack, type StackedFactors, stacked, stackedFactors, stacksOf, unstackedFactors } from "../stacks.ts"
import type { State, StateLayout, Transform } from "../transform.ts"
import {
  conditioningOf,
  notWhitened,
  type WhitenedState,
  whitenedLayout,
  whiteningsFor,
  whitenPairs
} from "../whitening.ts"

/** Options for `altLora` and `altLoraPlus`. */
export interface AltLoraOptions extends AdamWOptions {
  /** damping δ, absolute, at least 0; default 1e-5, the authors' value */
  readonly damping?: number
  /** default "paper" */
  readonly variant?: AltLoraConfig["variant"]
}

type Side = "A" | "B"

/** Of the factors of one side of a stack. */
type SideState = {
  /** M: [pairs, r, in] or [pairs, out, r] */
  readonly first: Tensor3D
  /** V; null without one */
  readonly second: Tensor3D | null
  /** the other factor at the last step of this one, in whose coordinates M is; 0 before the first */
  readonly frame: Tensor3D
}

/** State of `altLora` and `altLoraPlus`. */
export type AltLoraState = WhitenedState & {
  /** number of steps taken */
  readonly count: number
  /** one entry per stack, in the order of `stacksOf` */
  readonly stacks: ReadonlyArray<{ readonly [S in Side]: SideState }>
  /** AdamW's state for dense tensors */
  readonly dense: State
}

/** The inverse Gram of a stack's other factors, in the two products that it is made of. */
interface Coordinates {
  /** of A: s⁻² T_Bᵀ, from the left; of B: s⁻² T_A, from the right */
  readonly enter: Tensor3D
  /** of A: T_B; of B: T_Aᵀ */
  readonly leave: Tensor3D
}

/** What the sides do alike, A from the left and B from the right. */
const sides = {
  A: {
    other: "B",
    coordinates: (stack: PairStack, whitenings: ReadonlyArray<Whitening>): Coordinates => ({
      enter: stacked(stack, (i) => whitenings[i]!.TBgrad),
      leave: stacked(stack, (i) => whitenings[i]!.TB)
    }),
    scaled: ({ enter, leave }: Coordinates, g: Tensor3D): Tensor3D => tf.matMul(leave, tf.matMul(enter, g)),
    // T_B (B T_B)ᵀ B′ M: of bases, not of Grams
    carried: ({ leave }: Coordinates, M: Tensor3D, frame: Tensor3D, B: Tensor3D): Tensor3D =>
      tf.matMul(tf.matMul(leave, tf.matMul(tf.matMul(B, leave), frame, true, false)), M)
  },
  B: {
    other: "A",
    coordinates: (stack: PairStack, whitenings: ReadonlyArray<Whitening>): Coordinates => ({
      enter: stacked(stack, (i) => whitenings[i]!.TAgrad),
      leave: stacked(stack, (i) => whitenings[i]!.TAt)
    }),
    scaled: ({ enter, leave }: Coordinates, g: Tensor3D): Tensor3D => tf.matMul(tf.matMul(g, enter), leave),
    carried: ({ leave }: Coordinates, M: Tensor3D, frame: Tensor3D, A: Tensor3D): Tensor3D =>
      tf.matMul(M, tf.matMul(tf.matMul(frame, tf.matMul(leave, A), false, true), leave))
  }
} as const satisfies { readonly [S in Side]: { readonly other: Side } & Record<string, unknown> }

/** Of the new A of a stack, for B. Without s⁻², as the authors have it. */
const coordinatesAt = (factors: StackedFactors, damping: number): Coordinates => {
  const { T } = gramSpectra(factors, damping).A
  return { enter: T, leave: tf.transpose(T, [0, 2, 1]) }
}

const shapeOf = ({ indices, rank, in: inputs, out }: PairStack, side: Side): [number, number, number] =>
  side === "A" ? [indices.length, rank, inputs] : [indices.length, out, rank]

const denseOf = ({ dense }: Trainable): Trainable => ({ pairs: [], dense })

/** Which factors move at a step, in their order. */
const turns = {
  paper: (count: number): ReadonlyArray<Side> => (count % 2 === 1 ? ["B"] : ["A"]),
  code: (): ReadonlyArray<Side> => ["A", "B"]
} satisfies { readonly [Variant in AltLoraConfig["variant"]]: (count: number) => ReadonlyArray<Side> }

const alternating = (adaptive: boolean, options: AltLoraOptions): Transform<AltLoraState> => {
  const settings = { ...adamwSettings, ...altLoraSettings }
  const values = settled(adaptive ? "altLoraPlus" : "altLora", settings, options)
  const { damping, variant, learningRate, weightDecay, ...moments } = values
  const { b1, b2, eps } = moments
  const plain = adamw({ ...moments, learningRate, weightDecay })
  const code = variant === "code"

  /** M and V after a step, and the direction u. */
  const averaged = (carried: Tensor3D, g: Tensor3D, { first, second }: SideState, count: number) => {
    const withGradient = (moment: Tensor3D) => tf.add<Tensor3D>(tf.mul(moment, b1), tf.mul(g, 1 - b1))
    const M = withGradient(carried)
    const corrected = code ? tf.div<Tensor3D>(M, 1 - b1 ** count) : M
    if (second === null) return { first: M, second, u: corrected }
    const V = tf.add<Tensor3D>(tf.mul(second, b2), tf.mul(tf.square(g), 1 - b2))
    const u = tf.div<Tensor3D>(corrected, tf.add(tf.sqrt(V), eps))
    return { first: code ? withGradient(first) : M, second: V, u }
  }

  /** Of one stack at one step; `gradient` and `params` of its pairs. */
  const stepOf = (
    stack: PairStack,
    whitenings: ReadonlyArray<Whitening>,
    gradient: StackedFactors,
    params: StackedFactors,
    before: AltLoraState["stacks"][number],
    count: number
  ) => {
    const after = { ...before }
    const moves = { A: tf.zerosLike(params.A), B: tf.zerosLike(params.B) }
    const rate = rateAt(learningRate, count)
    for (const side of turns[variant](count)) {
      const { other, coordinates, scaled, carried } = sides[side]
      const moved = side === "B" && code
      const at = moved ? { ...params, A: tf.add<Tensor3D>(params.A, moves.A) } : params
      const coordinatesOfSide = moved ? coordinatesAt(at, damping) : coordinates(stack, whitenings)
      const M = carried(coordinatesOfSide, before[side].first, before[side].frame, at[other])
      const { u, ...moments } = averaged(M, scaled(coordinatesOfSide, gradient[side]), before[side], count)
      moves[side] = tf.mul(weightDecay === 0 ? u : tf.add(u, tf.mul(params[side], weightDecay)), -rate)
      after[side] = { ...moments, frame: at[other] }
    }
    return { moves, after }
  }

  const countOf = (state: AltLoraState) => state.count + 1

  return {
    init: (params) => ({
      ...notWhitened,
      count: 0,
      stacks: stacksOf(params.pairs).map((stack) => {
        const zeros = (side: Side): SideState => ({
          first: tf.zeros(shapeOf(stack, side)),
          second: adaptive ? tf.zeros(shapeOf(stack, side)) : null,
          frame: tf.zeros(shapeOf(stack, sides[side].other))
        })
        return { A: zeros("A"), B: zeros("B") }
      }),
      dense: plain.init(denseOf(params))
    }),
    obstacle: ({ pairs }) => (code ? spectraObstacle(pairs) : undefined),
    layout: (initial: { readonly [key: string]: StateLayout }, { pairs }, step) => ({
      ...initial,
      ...whitenedLayout(pairs, step)
    }),
    refresh: (state, { pairs }) =>
      // at s = 1 the maps have no s⁻²
      Effect.map(whitenPairs(code ? pairs.map((pair) => ({ ...pair, scale: 1 })) : pairs, damping), (whitened) => ({
        ...state,
        ...whitened
      })),
    update: (updates, state, params) => {
      const whitenings = whiteningsFor("altLora", state, params.pairs)
      const count = countOf(state)
      const stacks = stacksOf(params.pairs)
      const steps = stacks.map((stack, i) =>
        stepOf(
          stack,
          whitenings,
          stackedFactors(stack, updates.pairs),
          stackedFactors(stack, params.pairs),
          state.stacks[i]!,
          count
        )
      )
      const factors = unstackedFactors(
        stacks,
        steps.map(({ moves }) => moves)
      )
      const dense = plain.update(denseOf(updates), state.dense, denseOf(params))
      return {
        updates: { pairs: withFactors(updates.pairs, factors), dense: dense.updates.dense },
        state: { ...state, count, stacks: steps.map(({ after }) => after), dense: dense.state }
      }
    },
    // g̃ at the factors before the step; 0 of a factor that rests
    direction: (updates, state, { pairs }) => {
      const whitenings = whiteningsFor("altLora", state, pairs)
      const stacks = stacksOf(pairs)
      const factors = stacks.map((stack) => {
        const gradient = stackedFactors(stack, updates.pairs)
        const scaled = { A: tf.zerosLike(gradient.A), B: tf.zerosLike(gradient.B) }
        for (const side of turns[variant](countOf(state)))
          scaled[side] = sides[side].scaled(sides[side].coordinates(stack, whitenings), gradient[side])
        return scaled
      })
      return { pairs: withFactors(updates.pairs, unstackedFactors(stacks, factors)), dense: updates.dense }
    },
    learningRate: (state) => rateAt(learningRate, countOf(state)),
    health: (state, { pairs }) => conditioningOf(state, pairs, damping)
  }
}

/** Creates AltLoRA. Requires a `refresh` with the same parameters before each `update`, and throws without one. Applies the learning rate itself. */
export const altLora = (options: AltLoraOptions): Transform<AltLoraState> => alternating(false, options)

/** Creates AltLoRA+: AltLoRA with Adam's second moment. */
export const altLoraPlus = (options: AltLoraOptions): Transform<AltLoraState> => alternating(true, options)
