/**
 * AdamW: Adam's direction, then decoupled weight decay and the learning rate. Adam's direction (Kingma & Ba, arXiv 1412.6980): each entry divided by the root of its running mean square.
 *
 *   m ← β₁m + (1−β₁)g     v ← β₂v + (1−β₂)g²     u = m̂ / (√v̂ + ε),   m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ), t = 1, 2, …
 *
 * The state keeps m/(1−β₁) and v/(1−β₂), so g enters unscaled, and both corrections and both factors combine into two scalars:
 * nine passes over memory instead of twelve. For m×n moments (LoRA-Pro's full form), memory passes dominate the cost of a step.
 *
 *   M ← β₁M + g           V ← β₂V + g²           u = M / (√V·c/k + ε/k),   k = (1−β₁)/(1−β₁ᵗ), c = √((1−β₂)/(1−β₂ᵗ))
 *
 * Shapes: m, v, u as g. The step count is a number on the host, so nothing is read from the device.
 */
import type * as tf from "@tensorflow/tfjs-core"
import { adamSettings, adamwSettings, settled } from "../../../schemas/index.ts"
import { type AdamDecays, adamMoves, ratesAt, stateZeros } from "../../kernels/index.ts"
import { type Trainable, tensorsOf, withTensors } from "../../tensors/index.ts"
import { addDecayedWeights } from "../decay.ts"
import type { PlannedMoments, Rates } from "../optimizer.ts"
import { type Schedule, scaleByLearningRate } from "../schedule.ts"
import { chain, type Transform } from "../transform.ts"

/** Parameters of Adam's moments. */
export interface AdamOptions {
  /** β₁, decay of the first moment, in [0, 1); default 0.9 */
  readonly b1?: number
  /** β₂, decay of the second moment, in [0, 1); default 0.999 */
  readonly b2?: number
  /** ε, added outside the root, greater than 0; default 1e-8 */
  readonly eps?: number
}

/** State of `scaleByAdam`. */
export type AdamState = {
  /** number of steps taken */
  readonly count: number
  /** m/(1−β₁), in the order of `tensorsOf` */
  readonly first: ReadonlyArray<tf.Tensor>
  /** v/(1−β₂), in the order of `tensorsOf` */
  readonly second: ReadonlyArray<tf.Tensor>
}

/**
 * Adam as a recognizable transform, so that LoRA-Pro's full form can fuse its step. Code that spreads one into a transform with another
 * `update` must omit `adam`.
 */
export interface AdamTransform extends Transform<AdamState> {
  /** β₁, β₂ and ε of the moments */
  readonly adam: AdamDecays
}

/** Returns whether a transform is `scaleByAdam`. */
export const isAdam = (transform: Transform): transform is AdamTransform => "adam" in transform

const zerosOf = (params: Trainable): ReadonlyArray<tf.Tensor> => tensorsOf(params).map(({ shape }) => stateZeros(shape))

/**
 * Creates Adam without learning rate (arXiv 1412.6980): u = m̂ / (√v̂ + ε), with m and v the moments of the updates, and bias correction counted
 * from 1.
 */
export const scaleByAdam = (options: AdamOptions = {}): AdamTransform => {
  const adam: AdamDecays = settled("scaleByAdam", adamSettings, options)
  return {
    adam,
    init: (params) => ({ count: 0, first: zerosOf(params), second: zerosOf(params) }),
    update: (updates, state) => {
      const count = state.count + 1
      const moved = adamMoves(tensorsOf(updates), state.first, state.second, ratesAt(adam, count))
      return {
        updates: withTensors(
          updates,
          moved.map(({ u }) => u)
        ),
        state: { count, first: moved.map(({ first }) => first), second: moved.map(({ second }) => second) }
      }
    }
  }
}

/** Options for `adamw`. */
export interface AdamWOptions extends AdamOptions {
  /** learning rate η, a number or a schedule */
  readonly learningRate: Schedule | number
  /** decoupled weight decay λ, at least 0; default 0 */
  readonly weightDecay?: number
}

/** Creates Adam with decoupled weight decay, as torch.optim.AdamW. */
export const adamw = (options: AdamWOptions): Transform => {
  const { learningRate, weightDecay, ...moments } = settled("adamw", adamwSettings, options)
  return chain(scaleByAdam(moments), addDecayedWeights(weightDecay), scaleByLearningRate(learningRate))
}

/** Returns Adam's options from a plan's. */
export const adamOptions = ({ betas: [b1, b2], epsilon }: PlannedMoments): Required<AdamOptions> => ({
  b1,
  b2,
  eps: epsilon
})

/** Returns AdamW for the dense tensors of an optimizer that moves pairs differently, with the same moments and decay. */
export const adamwParts = (
  { weightDecay, ...moments }: PlannedMoments & { readonly weightDecay: number },
  { body, head }: Rates
) => {
  const options = { ...adamOptions(moments), weightDecay }
  return { dense: adamw({ ...options, learningRate: body }), head: adamw({ ...options, learningRate: head }) }
}
