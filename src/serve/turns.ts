/**
 * Turns on the device: one piece of work at a time, in the order in which they were asked for. A text that is written asks for a turn for each
 * of its tokens, a batch of rows for one; so all that runs goes on by turns, and what is short does not wait for what is long.
 *
 * Between two turns the process looks at its connections: what a device computes, it computes synchronously.
 */
import { setImmediate, setTimeout } from "node:timers"
import * as Effect from "effect/Effect"

export interface Turns {
  /** Runs work when its turn has come. An interruption before that ends the wait. */
  readonly run: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * Runs what is mostly waiting for files, outside of turns. Its steps go on between those of the device, of which each takes long: so that
   * it comes to its end, it has a fifth of the time meanwhile.
   */
  readonly beside: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** pieces of work that wait */
  readonly waiting: () => number
  /** whether a piece of work is done now */
  readonly busy: () => boolean
}

/** The pause after a turn while something goes on beside: a part of the turn's own time, and milliseconds at least. */
const BESIDE = { part: 1 / 4, least: 10 }

export const turns = (): Turns => {
  const waiting: Array<() => void> = []
  let taken = false
  let beside = 0
  let began = 0
  const next = () => {
    const enter = waiting.shift()
    if (enter === undefined) taken = false
    else enter()
  }
  const take = Effect.callback<void>((resume) => {
    if (!taken) {
      taken = true
      return resume(Effect.void)
    }
    const enter = () => resume(Effect.void)
    waiting.push(enter)
    return Effect.sync(() => {
      const at = waiting.indexOf(enter)
      if (at >= 0) waiting.splice(at, 1)
    })
  })
  // the one that is next is chosen when the connections have been looked at: until then it may still leave
  const give = Effect.sync(() => {
    if (beside > 0) setTimeout(next, Math.max(BESIDE.least, BESIDE.part * (performance.now() - began)))
    else setImmediate(next)
  })
  return {
    run: (work) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(take), () => {
          began = performance.now()
          return Effect.ensuring(restore(work), give)
        })
      ),
    beside: (work) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          beside += 1
        }),
        () => work,
        () =>
          Effect.sync(() => {
            beside -= 1
          })
      ),
    waiting: () => waiting.length,
    busy: () => taken
  }
}
