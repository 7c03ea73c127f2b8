/**
 * Decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101), in two forms.
 *
 * `addDecayedWeights`: u ← u + λp before the learning rate, so that every tensor shrinks by 1 − ηλ (optax's transform).
 * `addProductDecay`: for factors whose *product* shall decay: A and B are each scaled by √(1−ηλ), so s·BA shrinks by 1 − ηλ, as W
 * would under full fine-tuning. It stands after the learning rate, which it must know. LoRA-Pro's full form uses it; the authors'
 * code also decays the frozen base, which this never touches. Dense tensors shrink by 1 − ηλ.
 */
import * as tf from "@tensorflow/tfjs"
import { mapTensors, type Trainable } from "../tensors/trainable.ts"
import { rateAt, type Schedule } from "./schedule.ts"
import type { Transform } from "./transform.ts"

export const addDecayedWeights = (rate: number): Transform<null> => ({
  init: () => null,
  update: (updates, state, params) => ({
    updates: rate === 0 ? updates : mapTensors((u, p) => tf.add(u, tf.mul(p!, rate)), updates, params),
    state
  })
})

const addScaled = (u: tf.Tensor, p: tf.Tensor, factor: number): tf.Tensor2D =>
  tf.tidy(() => tf.add(u, tf.mul(p, factor)) as tf.Tensor2D)

/** State: the number of steps taken. Needs ηλ ≤ 1. */
export const addProductDecay = (rate: number, learningRate: Schedule | number): Transform<number> => ({
  init: () => 0,
  update: (updates, state, params) => {
    const step = state + 1
    const shrink = rate * rateAt(learningRate, step)
    const perFactor = Math.sqrt(1 - shrink) - 1
    const decayed: Trainable = {
      pairs: updates.pairs.map((pair, i) => ({
        ...pair,
        A: addScaled(pair.A, params.pairs[i]!.A, perFactor),
        B: addScaled(pair.B, params.pairs[i]!.B, perFactor)
      })),
      dense: updates.dense.map((parameter, i) => ({
        ...parameter,
        value: addScaled(parameter.value, params.dense[i]!.value, -shrink)
      }))
    }
    return { updates: rate === 0 ? updates : decayed, state: step }
  }
})
