/** Parameters and an optimizer's state, moved step by step; the owner of their tensors. */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { combined } from "../../src/kernels/combination.ts"
import type { State, Transform } from "../../src/optimizers/transform.ts"
import { valueAndGradients } from "../../src/tensors/gradients.ts"
import { tidy } from "../../src/tensors/scopes.ts"
import { type Trainable, tensorsOf, withTensors } from "../../src/tensors/trainable.ts"

export interface Trainer {
  readonly params: Trainable
  readonly state: State
  /** One step down the gradient of a loss; returns it. */
  readonly step: (loss: (params: Trainable) => tf.Scalar) => Promise<number>
  readonly dispose: () => void
}

const tensorsIn = (state: State): ReadonlyArray<tf.Tensor> => {
  if (state === null || typeof state === "number") return []
  if (state instanceof tf.Tensor) return [state]
  return (Array.isArray(state) ? state : Object.values(state)).flatMap(tensorsIn)
}

const disposeAllBut = (before: ReadonlyArray<tf.Tensor>, kept: ReadonlyArray<tf.Tensor>): void => {
  const held = new Set(kept)
  for (const tensor of before) if (!held.has(tensor)) tensor.dispose()
}

/** Takes the parameters over. */
export const trainer = (start: Trainable, optimizer: Transform): Trainer => {
  let params = start
  let state = optimizer.init(params)
  const step = async (loss: (params: Trainable) => tf.Scalar): Promise<number> => {
    const refreshed = await Effect.runPromise(optimizer.refresh?.(state, params) ?? Effect.succeed(state))
    disposeAllBut(tensorsIn(state), tensorsIn(refreshed))
    const before = params
    const moved = tidy(() => {
      const { value, gradients } = valueAndGradients(() => loss(before), tensorsOf(before))
      const next = optimizer.update(withTensors(before, gradients), refreshed, before)
      return { value, tensors: combined(1, tensorsOf(before), 1, tensorsOf(next.updates)), state: next.state }
    })
    const number = moved.value.dataSync()[0]!
    moved.value.dispose()
    disposeAllBut([...tensorsOf(before), ...tensorsIn(refreshed)], [...moved.tensors, ...tensorsIn(moved.state)])
    params = withTensors(before, moved.tensors)
    state = moved.state
    return number
  }
  return {
    get params() {
      return params
    },
    get state() {
      return state
    },
    step,
    dispose: () => tf.dispose([...tensorsOf(params), ...tensorsIn(state)])
  }
}
