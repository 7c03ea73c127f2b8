/**
 * Momentum (heavy ball, as PyTorch's SGD and optax's `trace`): t ← g + μ·t, and t is the update.
 *
 * At μ = 0 nothing is kept. Shapes: t as g.
 */
import * as tf from "@tensorflow/tfjs"
import { combined } from "../kernels/combination.ts"
import { tensorsOf, withTensors } from "../tensors/index.ts"
import type { Transform } from "./transform.ts"

export interface TraceOptions {
  /** μ in [0, 1) */
  readonly decay: number
}

export const trace = ({ decay }: TraceOptions): Transform<ReadonlyArray<tf.Tensor>> => ({
  init: (params) => (decay === 0 ? [] : tensorsOf(params).map((tensor) => tf.zerosLike(tensor))),
  update: (updates, state) => {
    if (decay === 0) return { updates, state }
    const moved = combined(1, tensorsOf(updates), decay, state)
    // Clones, because updates and state have different owners.
    return { updates: withTensors(updates, moved), state: moved.map((tensor) => tensor.clone()) }
  }
})
