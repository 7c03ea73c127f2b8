/**
 * Gradient descent with momentum (heavy ball, as PyTorch's SGD and optax's `trace`): t ← g + μ·t, and the update is t. `ema`:
 * t ← (1−μ)g + μ·t, an exponential moving average of the gradients.
 *
 * Without momentum (μ = 0) there is no state. Shapes: t as g.
 */
import * as tf from "@tensorflow/tfjs-core"
import { belowOneNumber, settled, sgdMomentum, wholeSettings } from "../../../schemas/index.ts"
import { combined } from "../../kernels/index.ts"
import { tensorsOf, withTensors } from "../../tensors/index.ts"
import { addDecayedWeights } from "../decay.ts"
import { type Schedule, scaleByLearningRate } from "../schedule.ts"
import { chain, type Transform } from "../transform.ts"

/** Options for `trace` and `ema`. */
export interface TraceOptions {
  /** decay μ in [0, 1) */
  readonly decay: number
}

const running = (gradientFactor: number, decay: number): Transform<ReadonlyArray<tf.Tensor>> => ({
  init: (params) => (decay === 0 ? [] : tensorsOf(params).map((tensor) => tf.zerosLike(tensor))),
  update: (updates, state) => {
    if (decay === 0) return { updates, state }
    const moved = combined(gradientFactor, tensorsOf(updates), decay, state)
    // Clones, because updates and state have different owners.
    return { updates: withTensors(updates, moved), state: moved.map((tensor) => tensor.clone()) }
  }
})

/** Creates momentum as in PyTorch's SGD: v = μv + g. */
export const trace = (options: TraceOptions) =>
  running(1, settled("trace", { decay: { of: belowOneNumber } }, options).decay)

/** Creates an exponential moving average of the gradients, initialized to 0, without bias correction. */
export const ema = (options: TraceOptions) => {
  const { decay } = settled("ema", { decay: { of: belowOneNumber } }, options)
  return running(1 - decay, decay)
}

/** Options for `sgd`. */
export interface SgdOptions {
  /** learning rate η, a number or a schedule */
  readonly learningRate: Schedule | number
  /** momentum μ in [0, 1); default 0 */
  readonly momentum?: number
  /** decoupled weight decay λ, at least 0; default 0 */
  readonly weightDecay?: number
}

/** Creates gradient descent with momentum. */
export const sgd = (options: SgdOptions): Transform => {
  const { learningRate, momentum, weightDecay } = settled("sgd", { ...wholeSettings, momentum: sgdMomentum }, options)
  return chain(trace({ decay: momentum }), addDecayedWeights(weightDecay), scaleByLearningRate(learningRate))
}
