/**
 * The parts of a training step, timed from outside: optimizer, loss and adapted model are values that a session is opened with, so
 * the bench opens it with ones that look at the clock. On wasm an operation is done when its call returns.
 *
 *   forward     from the model's first operation to the loss
 *   backward    from there until the optimizer is asked for its updates (with `recompute: "blocks"` the second forward pass too)
 *   optimizer   refresh and update
 *   rest        batch to tensors, parameters + updates, the step's numbers and their one read, JavaScript between
 */
import * as Effect from "effect/Effect"
import type { Adapted } from "../adapters/index.ts"
import type { Transform } from "../src/optimizers/index.ts"
import type { Loss } from "../src/training/index.ts"

/** Milliseconds of the latest step. */
export interface Parts {
  forward: number
  backward: number
  optimizer: number
  /** of the optimizer's time */
  refresh: number
}

/** A session's parts, timed. Steps have one batch each. */
export const timed = <A extends Adapted>(adapted: A, optimizer: Transform, loss: Loss) => {
  const parts: Parts = { forward: 0, backward: 0, optimizer: 0, refresh: 0 }
  let began = 0
  let lossKnown = 0
  return {
    parts,
    adapted: {
      ...adapted,
      forward: (...args: Parameters<Adapted["forward"]>) => {
        began = performance.now()
        return adapted.forward(...args)
      }
    },
    loss: ((logits, labels) => {
      const value = loss(logits, labels)
      lossKnown = performance.now()
      parts.forward = lossKnown - began
      return value
    }) satisfies Loss,
    optimizer: timedOptimizer(optimizer, parts, () => lossKnown)
  }
}

const timedOptimizer = (optimizer: Transform, parts: Parts, lossKnown: () => number): Transform => ({
  ...optimizer,
  refresh: (state, params) =>
    Effect.suspend(() => {
      const began = performance.now()
      return Effect.map(optimizer.refresh?.(state, params) ?? Effect.succeed(state), (next) => {
        parts.refresh = performance.now() - began
        return next
      })
    }),
  update: (gradients, state, params) => {
    const began = performance.now()
    parts.backward = began - lossKnown()
    const result = optimizer.update(gradients, state, params)
    parts.optimizer = parts.refresh + performance.now() - began
    return result
  }
})
