/**
 * What one training run holds: the adapted model (with its current parameters), the optimizer and its state, and how many steps
 * were taken. A checkpoint is this without the frozen base.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Adapted } from "../../adapters/index.ts"
import type { BatchPosition } from "../data/index.ts"
import type { Model, Network } from "../models/model.ts"
import type { State, Transform } from "../optimizers/transform.ts"
import type { Loss } from "./loss.ts"

export interface SessionOptions<M extends Network = Model> {
  readonly optimizer: Transform
  readonly loss: Loss<M>
  /** batches whose gradients are averaged into one step (default 1) */
  readonly accumulate?: number
  /** "blocks": activations of the model's blocks are computed again in the backward pass instead of kept (default "none") */
  readonly recompute?: "none" | "blocks"
}

export interface Session<M extends Network = Model> extends Required<SessionOptions<M>> {
  readonly adapted: Adapted<M>
  optimizerState: State
  /** steps taken */
  step: number
  /** the batch that comes next, where batches say which they are (`Data.trainingBatches`) */
  position: BatchPosition
}

/** Opens a session at step 0. The optimizer's state lives as long as the scope. */
export const openSession = <M extends Network = Model>(
  adapted: Adapted<M>,
  options: SessionOptions<M>
): Effect.Effect<Session<M>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(
      (): Session<M> => ({
        accumulate: 1,
        recompute: "none",
        ...options,
        adapted,
        optimizerState: options.optimizer.init(adapted.trainable),
        step: 0,
        position: { epoch: 0, batch: 0 }
      })
    ),
    (session) => Effect.sync(() => tf.dispose(session.optimizerState as tf.TensorContainer))
  )
