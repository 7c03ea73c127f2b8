/**
 * What one training run holds: the adapted model (with its current parameters), the optimizer and its state, and how many steps
 * were taken. A checkpoint is this without the frozen base. A snapshot of it can be rolled back to; code that advances a session says
 * which snapshot is still needed.
 */

import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Adapted } from "../../adapters/index.ts"
import type { BatchPosition } from "../data/index.ts"
import type { Model, Network } from "../models/index.ts"
import {
  Elsewhere,
  layoutOf,
  OptimizerObstacle,
  OptimizerStateError,
  type State,
  type StateLayout,
  stateFault,
  type Transform,
  tensorsWithin
} from "../optimizers/index.ts"
import { type Trainable, tensorsOf } from "../tensors/index.ts"
import type { Loss } from "./loss.ts"

/** Options of a session: optimizer, loss, and how a step is divided. */
export interface SessionOptions<M extends Network = Model> {
  /** what moves the trainable parameters */
  readonly optimizer: Transform
  /** what is made small */
  readonly loss: Loss<M>
  /** batches whose gradients are averaged into one step (default 1) */
  readonly accumulate?: number
  /** "blocks": activations of the model's blocks are computed again in the backward pass instead of kept (default "none") */
  readonly recompute?: "none" | "blocks"
}

/** A model in training: what it has of parameters and optimizer state, and how far it is. */
export interface Session<M extends Network = Model> extends Required<SessionOptions<M>> {
  /** the model in training */
  readonly adapted: Adapted<M>
  /** of the optimizer's state at step 0 */
  readonly initialLayout: StateLayout
  /** the optimizer's state after the last step */
  optimizerState: State
  /** steps taken */
  step: number
  /** the batch that comes next, where batches say which they are (`Dataset.trainingBatches`) */
  position: BatchPosition
}

/**
 * Opens a session at step 0. The optimizer's state lives as long as the scope. Fails if it is not a tree of tensors and numbers, or if
 * the optimizer cannot take a step with this adapter on the device in use.
 */
export const openSession = <M extends Network = Model>(
  adapted: Adapted<M>,
  options: SessionOptions<M>
): Effect.Effect<Session<M>, OptimizerStateError | OptimizerObstacle, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend((): Effect.Effect<Session<M>, OptimizerStateError | OptimizerObstacle> => {
      const obstacle = options.optimizer.obstacle?.(adapted.trainable)
      if (obstacle !== undefined) return Effect.fail(new OptimizerObstacle({ obstacle }))
      const optimizerState = options.optimizer.init(adapted.trainable)
      const fault = stateFault(optimizerState)
      if (fault !== undefined) {
        for (const tensor of tensorsWithin(optimizerState)) tensor.dispose()
        return Effect.fail(new OptimizerStateError({ fault }))
      }
      return Effect.succeed({
        accumulate: 1,
        recompute: "none",
        ...options,
        adapted,
        initialLayout: layoutOf(optimizerState),
        optimizerState,
        step: 0,
        position: { epoch: 0, batch: 0 }
      })
    }),
    (session) => Effect.sync(() => tf.dispose(session.optimizerState as tf.TensorContainer))
  )

/** The changing part of a session, with the tensors that it held at that time. */
export interface Snapshot {
  readonly trainable: Trainable
  readonly optimizerState: State
  readonly step: number
  readonly position: BatchPosition
}

/** A session over any network. */
export type AnySession = Pick<Session<Network>, "adapted" | "optimizerState" | "step" | "position">

export const snapshotOf = ({ adapted: { trainable }, optimizerState, step, position }: AnySession): Snapshot => ({
  trainable,
  optimizerState,
  step,
  position
})

/** Changes a session to `to`, and disposes what it held that neither `to` nor `kept` holds. */
export const advance = (session: AnySession, to: Snapshot, kept: Snapshot): void => {
  release(snapshotOf(session), to, kept)
  session.adapted.trainable = to.trainable
  session.optimizerState = to.optimizerState
  session.step = to.step
  session.position = to.position
}

/** Brings a session back to a snapshot, and disposes what it has made since. */
export const rollback = (session: AnySession, to: Snapshot): void => advance(session, to, to)

/** Disposes the tensors of a snapshot that none of the others holds. */
export const release = (snapshot: Snapshot, ...others: ReadonlyArray<Snapshot>): void => {
  const { trainable, optimizerState } = snapshot
  if (others.some((own) => own.trainable === trainable && own.optimizerState === optimizerState)) return
  const held = new Set<Tensor>()
  for (const other of others) forTensorsAt(other, (tensor) => held.add(tensor))
  forTensorsAt(snapshot, (tensor) => {
    if (!held.has(tensor)) tensor.dispose()
  })
}

const forTensorsAt = ({ trainable, optimizerState }: Snapshot, f: (tensor: Tensor) => void): void => {
  for (const tensor of tensorsOf(trainable)) f(tensor)
  forTensorsIn(optimizerState, f)
}

const forTensorsIn = (state: State, f: (tensor: Tensor) => void): void => {
  if (state === null || typeof state === "number" || state instanceof Elsewhere) return
  if (state instanceof tf.Tensor) f(state)
  else for (const child of Array.isArray(state) ? state : Object.values(state)) forTensorsIn(child, f)
}
