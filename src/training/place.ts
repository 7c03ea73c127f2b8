/**
 * Where a session stands, so that it can be moved on and back: whoever moves it says what is still wanted of what it
 * held.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { BatchPosition } from "../data/index.ts"
import type { Network } from "../models/model.ts"
import type { State } from "../optimizers/transform.ts"
import { type Trainable, tensorsOf } from "../tensors/index.ts"
import type { Session } from "./session.ts"

/** The changing part of a session, with the tensors that it holds there. */
export interface Place {
  readonly trainable: Trainable
  readonly optimizerState: State
  readonly step: number
  readonly position: BatchPosition
}

/** Of whatever network. */
export type Standing = Pick<Session<Network>, "adapted" | "optimizerState" | "step" | "position">

export const placeOf = ({ adapted: { trainable }, optimizerState, step, position }: Standing): Place => ({
  trainable,
  optimizerState,
  step,
  position
})

/** Moves a session, and gives up what it held and neither `to` nor `kept` holds. */
export const moveTo = (session: Standing, to: Place, kept: Place = to): void => {
  release(placeOf(session), to, kept)
  session.adapted.trainable = to.trainable
  session.optimizerState = to.optimizerState
  session.step = to.step
  session.position = to.position
}

/** Disposes the tensors of `before` that no other of these places holds. */
export const release = (before: Place, ...others: ReadonlyArray<Place>): void => {
  const held = new Set(others.flatMap(tensorsAt))
  for (const tensor of tensorsAt(before)) if (!held.has(tensor)) tensor.dispose()
}

const tensorsAt = ({ trainable, optimizerState }: Place): ReadonlyArray<Tensor> => [
  ...tensorsOf(trainable),
  ...tensorsIn(optimizerState)
]

const tensorsIn = (state: State): ReadonlyArray<Tensor> => {
  if (state === null || typeof state === "number") return []
  if (state instanceof tf.Tensor) return [state]
  return (Array.isArray(state) ? state : Object.values(state)).flatMap(tensorsIn)
}
