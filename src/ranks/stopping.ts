/**
 * How a run in several processes is interrupted: its ranks agree on the step after which they stop, so that one of them saves what all of
 * them know.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { milliseconds } from "../progress/index.ts"
import { Ranks } from "./ranks.ts"

/** How often it is looked whether the ranks agree. */
const EVERY = Duration.millis(20)

/**
 * The program, whose interruption waits for the ranks to agree on their last step: the training loop, which knows of it first, interrupts
 * itself then. Where they do not within `grace` milliseconds, as nowhere but in a training loop, it is interrupted as it is.
 */
export const stoppingTogether =
  (grace: number) =>
  <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Ranks, ({ stop, size }) => {
      if (size === 1) return program
      const askedOf = (fiber: Fiber.Fiber<A, E>) =>
        Effect.gen(function* () {
          stop.asked = true
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
