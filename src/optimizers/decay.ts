/**
 * Decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101), in three forms.
 *
 * `addDecayedWeights`: u ← u + λp before the learning rate, so that every tensor shrinks by 1 − ηλ (optax's transform).
 * `addProductDecay`: decays the *product* of factors: A and B are each scaled by √(1−ηλ), so s·BA shrinks by 1 − ηλ, as W
 * would under full fine-tuning. It follows the learning rate and needs its value. LoRA-Pro's full form uses it; the authors'
 * code also decays the frozen base, which this never changes. Dense tensors shrink by 1 − ηλ.
 * `addSplitDecay`: the same with updates divided by √(1−ηλ), for pairs: s·BA moves by u whatever the decay (LoRA-Muon, arXiv 2606.12921).
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import { combined } from "../kernels/index.ts"
import { type Trainable, tensorsOf, withTensors } from "../tensors/index.ts"
import { rateAt, type Schedule } from "./schedule.ts"
import type { Transform } from "./transform.ts"

/** own·u + factor·p for every tensor. */
const added = (updates: Trainable, factor: number, params: Trainable, updateFactor = 1): ReadonlyArray<Tensor> =>
  combined(updateFactor, tensorsOf(updates), factor, tensorsOf(params))

/** Adds `rate` times each parameter to its update: decoupled weight decay (arXiv 1711.05101), before the learning rate. */
export const addDecayedWeights = (rate: number): Transform<null> => ({
  init: () => null,
  update: (updates, state, params) => ({
    updates: rate === 0 ? updates : withTensors(updates, added(updates, rate, params)),
    state
  })
})

const pairsOf = ({ pairs }: Trainable): Trainable => ({ pairs, dense: [] })
const denseOf = ({ dense }: Trainable): Trainable => ({ pairs: [], dense })

/** Adds decay of the product of factors, after the learning rate. State: number of steps taken. Requires ηλ ≤ 1. */
export const addProductDecay = (rate: number, learningRate: Schedule | number): Transform<number> => ({
  init: () => 0,
  update: (updates, state, params) => {
    const step = state + 1
    if (rate === 0) return { updates, state: step }
    const shrink = rate * rateAt(learningRate, step)
    const perFactor = Math.sqrt(1 - shrink) - 1
    const decayed = [
      ...added(pairsOf(updates), perFactor, pairsOf(params)),
      ...added(denseOf(updates), -shrink, denseOf(params))
    ]
    return { updates: withTensors(updates, decayed), state: step }
  }
})

/** Adds split decay, for pairs only. State: number of steps taken. Requires ηλ < 1. */
export const addSplitDecay = (rate: number, learningRate: Schedule | number): Transform<number> => ({
  init: () => 0,
  update: (updates, state, params) => {
    const step = state + 1
    if (rate === 0) return { updates, state: step }
    const k = Math.sqrt(1 - rate * rateAt(learningRate, step))
    return { updates: withTensors(updates, added(updates, k - 1, params, 1 / k)), state: step }
  }
})
