/**
 * State of a training run: the adapted model with its current parameters, the optimizer and its state, and the number of steps
 * taken. A checkpoint is this without the frozen base. A session can be rolled back to a snapshot; code that advances a session states
 * which snapshot is still needed.
 */

import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Adapted } from "../../adapters/index.ts"
import type { OptionsError } from "../../schemas/index.ts"
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
  tensorsWithin
} from "../optimizers/index.ts"
import { type Trainable, tensorsOf } from "../tensors/index.ts"
import type { SessionOptions } from "./session-options.ts"

/** A training session: a model with its parameters, optimizer state and progress. */
export interface Session<M extends Network = Model> extends Required<SessionOptions<M>> {
  /** model in training */
  readonly adapted: Adapted<M>
  /** layout of the optimizer's state at step 0 */
  readonly initialLayout: StateLayout
  /** optimizer state after the last step */
  optimizerState: State
  /** number of steps taken */
  step: number
  /** next batch, if batches carry their position (`Dataset.trainingBatches`) */
  position: BatchPosition
}

/**
 * Opens a session at step 0, for as long as the scope. Fails with all problems of the options, by their names; if the optimizer's state is
 * not a tree of tensors and numbers; or if the optimizer cannot take a step with this adapter on the current device.
 */
export const openSession = <M extends Network = Model>(
  adapted: Adapted<M>,
  options: SessionOptions<M>
): Effect.Effect<Session<M>, OptionsError | OptimizerStateError | OptimizerObstacle, Scope.Scope> =>
  Effect.gen(function* () {
    // loaded where options come from code: a plan's are decoded
    const { settledSession } = yield* Effect.promise(() => import("./session-options.ts"))
    return yield* openSettled(adapted, yield* settledSession(options))
  })

/** Opens a session as `openSession` does, with all options given and unchecked: those of a decoded plan. */
export const openSettled = <M extends Network = Model>(
  adapted: Adapted<M>,
  options: Required<SessionOptions<M>>
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

/** Mutable state of a session, with its tensors at that time. */
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

/** Sets a session's state to `to`, and disposes the tensors that neither `to` nor `retained` holds. */
export const advance = (session: AnySession, to: Snapshot, retained: Snapshot): void => {
  release(snapshotOf(session), to, retained)
  session.adapted.trainable = to.trainable
  session.optimizerState = to.optimizerState
  session.step = to.step
  session.position = to.position
}

/** Rolls a session back to a snapshot, and disposes the tensors created since. */
export const rollback = (session: AnySession, to: Snapshot): void => advance(session, to, to)

/** Disposes the tensors of a snapshot that none of the others holds. */
export const release = (snapshot: Snapshot, ...others: ReadonlyArray<Snapshot>): void => {
  const { trainable, optimizerState } = snapshot
  if (others.some((snapshot) => snapshot.trainable === trainable && snapshot.optimizerState === optimizerState)) return
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
