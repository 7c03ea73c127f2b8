/**
 * Gradient descent with momentum (heavy ball, as PyTorch's SGD and optax's `trace`): t ← g + μ·t, and t is the update. `ema`, for
 * others: t ← (1−μ)g + μ·t, a mean of the gradients.
 *
 * At μ = 0 nothing is kept. Shapes: t as g.
 */
import * as tf from "@tensorflow/tfjs-core"
import { combined } from "../../kernels/index.ts"
import { tensorsOf, withTensors } from "../../tensors/index.ts"
import { addDecayedWeights } from "../decay.ts"
import { type Schedule, scaleByLearningRate } from "../schedule.ts"
import { chain, type Transform } from "../transform.ts"

/** How much of the velocity `trace` keeps. */
export interface TraceOptions {
  /** μ in [0, 1) */
  readonly decay: number
}

const running = (own: number, decay: number): Transform<ReadonlyArray<tf.Tensor>> => ({
  init: (params) => (decay === 0 ? [] : tensorsOf(params).map((tensor) => tf.zerosLike(tensor))),
  update: (updates, state) => {
    if (decay === 0) return { updates, state }
    const moved = combined(own, tensorsOf(updates), decay, state)
    // Clones, because updates and state have different owners.
    return { updates: withTensors(updates, moved), state: moved.map((tensor) => tensor.clone()) }
  }
})

/** Momentum as PyTorch's SGD has it: v = μv + g. */
export const trace = ({ decay }: TraceOptions) => running(1, decay)

/** From 0, and not corrected for that. */
export const ema = ({ decay }: TraceOptions) => running(1 - decay, decay)

/** Options of `sgd`. */
export interface SgdOptions {
  /** η, a number or a schedule */
  readonly learningRate: Schedule | number
  /** μ in [0, 1): share of the last velocity that is kept; default 0 */
  readonly momentum?: number
  /** λ, decoupled, at least 0; default 0 */
  readonly weightDecay?: number
}

/** Gradient descent with momentum. */
export const sgd = ({ learningRate, momentum = 0, weightDecay = 0 }: SgdOptions): Transform =>
  chain(trace({ decay: momentum }), addDecayedWeights(weightDecay), scaleByLearningRate(learningRate))
