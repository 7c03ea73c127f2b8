/** Folders are looked at again and again while someone watches: at once, and then as often as leaves the machine its time. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** milliseconds between two looks, at least */
const PAUSE = 500
/** and as many times what the last one took */
const REST = 20

/** What each look saw. The next one is made when that was taken. */
export const looks = <A, E, R>(look: Effect.Effect<A, E, R>): Stream.Stream<A, E, R> =>
  Stream.suspend(() => {
    let pause = 0
    const next = Effect.gen(function* () {
      if (pause > 0) yield* Effect.sleep(pause)
      const began = performance.now()
      const seen = yield* look
      pause = Math.max(PAUSE, REST * (performance.now() - began))
      return seen
    })
    return Stream.forever(Stream.fromEffect(next))
  })
