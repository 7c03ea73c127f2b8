/** Between float64 matrices and trees of tensors, for the optimizer tests. */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { State, Transform } from "../../../src/optimizers/transform.ts"
import { type FactorPair, mapTensors, type Trainable, tensorsOf } from "../../../src/tensors/trainable.ts"
import { fromFlat, type Matrix, shapeOf } from "./matrix.ts"

export const tensorOf = (a: Matrix): Tensor2D => tf.tensor2d(a.flat(), shapeOf(a) as [number, number])

export const matrixOf = async (tensor: Tensor): Promise<Matrix> =>
  fromFlat(await tensor.data(), tensor.shape[0]!, tensor.shape[1] ?? 1)

export const pairOf = (A: Matrix, B: Matrix, scale = 1, name = "site"): FactorPair => ({
  site: { name, kind: "dense", out: B.length, in: A[0]!.length },
  A: tensorOf(A),
  B: tensorOf(B),
  scale
})

export const treeOf = (...pairs: ReadonlyArray<FactorPair>): Trainable => ({ pairs, dense: [] })

export const tensorsIn = (state: State): ReadonlyArray<Tensor> => {
  if (state === null || typeof state !== "object") return []
  if (state instanceof tf.Tensor) return [state]
  return Object.values(state).flatMap((part) => tensorsIn(part as State))
}

/** Disposes what `before` holds and `after` does not. */
const release = (before: State, after: State): void => {
  const kept = new Set(tensorsIn(after))
  for (const tensor of tensorsIn(before)) if (!kept.has(tensor)) tensor.dispose()
}

export const disposeState = (state: State): void => release(state, null)

export interface Run {
  readonly params: Trainable
  readonly state: State
}

/** One training step's worth of optimizer: refresh, update, add. Owns the lifetimes; `gradients` stay the caller's. */
export const takeStep = async (transform: Transform, run: Run, gradients: Trainable): Promise<Run> => {
  const refreshed = transform.refresh ? await Effect.runPromise(transform.refresh(run.state, run.params)) : run.state
  release(run.state, refreshed)
  const box: { next?: Run } = {}
  tf.tidy(() => {
    const { updates, state } = transform.update(gradients, refreshed, run.params)
    const params = mapTensors((p, u) => tf.add(p, u!), run.params, updates)
    for (const tensor of [...tensorsOf(params), ...tensorsIn(state)]) tf.keep(tensor)
    box.next = { params, state }
  })
  release(refreshed, box.next!.state)
  tf.dispose([...tensorsOf(run.params)])
  return box.next!
}
