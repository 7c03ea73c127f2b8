/**
 * Jobs beside the caller, one at a time: starting one waits for the one before, and hears its failure. A job is never interrupted;
 * what runs when the scope ends runs to its end.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

export interface Jobs<E> {
  /** Starts a job when the one before is done. Fails where that did. */
  readonly start: <R>(job: Effect.Effect<void, E, R>) => Effect.Effect<void, E, R>
  /** Waits until nothing runs. Fails where the last job did and nobody has heard it. */
  readonly settle: Effect.Effect<void, E>
}

export const oneAtATime = <E>(): Effect.Effect<Jobs<E>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let running: Fiber.Fiber<void, E> | undefined
    // whoever waits may be interrupted; the fiber and its failure stay for the next one
    const settle = Effect.suspend(() =>
      running === undefined
        ? Effect.void
        : Effect.flatMap(Fiber.await(running), (exit) => {
            running = undefined
            return exit
          })
    )
    const start = <R>(job: Effect.Effect<void, E, R>) =>
      // begun at once: a fiber that the scope's end finds waiting would never run
      Effect.forkIn(job, scope, { startImmediately: true, uninterruptible: true }).pipe(
        Effect.map((fiber) => {
          running = fiber
        }),
        Effect.uninterruptible,
        (begin) => Effect.andThen(settle, begin)
      )
    return { start, settle }
  })
