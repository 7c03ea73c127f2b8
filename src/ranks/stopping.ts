/**
 * Interruption of a run in several processes: its ranks agree on the last step, so that one of them saves the state that all
 * share.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { milliseconds } from "../progress/index.ts"
import { Ranks } from "./ranks.ts"

/** Interval between checks for an agreement. */
const EVERY = Duration.millis(20)

/**
 * Runs the program so that an interruption waits for the ranks to agree on their last step: the training loop is the first to know, and
 * interrupts itself. If they do not agree within `grace` milliseconds, as outside of a training loop, the program is interrupted immediately.
 */
export const stoppingTogether =
  (grace: number) =>
  <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Ranks, ({ stop, size }) => {
      if (size === 1) return program
      const askedOf = (fiber: Fiber.Fiber<A, E>) =>
        Effect.gen(function* () {
          stop.requested = true
          const until = (yield* milliseconds) + grace
          // agreed: it saves, however long that takes
          while (fiber.pollUnsafe() === undefined && (stop.agreed || (yield* milliseconds) < until))
            yield* Effect.sleep(EVERY)
          yield* Fiber.interrupt(fiber)
        })
      return Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(restore(program))
          return yield* yield* restore(Fiber.await(fiber)).pipe(Effect.onInterrupt(() => askedOf(fiber)))
        })
      )
    })
