/**
 * Things that are computed one by one and do not depend on each other, such as the batches of an evaluation, divided among ranks: thing i is
 * computed by rank i mod size. Ranks go on in rounds. In each every rank computes one thing, and then all tell each other what they have, so
 * that every rank uses all results in the order of the things: what is summed up of them has the bits of one rank alone.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Message } from "./message.ts"
import { type RankError, Ranks } from "./ranks.ts"

export interface Divided<B, A, E2, R2, E3, R3> {
  /** on one rank */
  readonly compute: (thing: B) => Effect.Effect<A, E2, R2>
  /** how a result travels to the others */
  readonly as: Message<A>
  /** on every rank, in the order of the things */
  readonly use: (thing: B, result: A) => Effect.Effect<void, E3, R3>
}

/** Computes each of some things on one rank and uses it on all. Of one rank: computed and used one after the other, and nothing more. */
export const inRounds =
  <B, A, E2, R2, E3, R3>({ compute, as, use }: Divided<B, A, E2, R2, E3, R3>) =>
  <E, R>(things: Stream.Stream<B, E, R>): Effect.Effect<void, E | E2 | E3 | RankError, R | R2 | R3> =>
    Effect.gen(function* () {
      const { rank, size, allGather } = yield* Ranks
      if (size === 1) {
        return yield* Stream.runForEach(things, (thing) =>
          Effect.flatMap(compute(thing), (result) => use(thing, result))
        )
      }
      const round = (some: ReadonlyArray<B>) =>
        Effect.gen(function* () {
          const own = rank < some.length ? as.write(yield* compute(some[rank]!)) : new Uint8Array()
          const all = yield* allGather(own)
          for (const [i, thing] of some.entries()) yield* use(thing, as.read(all[i]!))
        })
      yield* Stream.runForEach(Stream.grouped(things, size), round)
    })

/** Whether this rank computes thing i. */
export const computesThing = Effect.map(
  Ranks,
  ({ rank, size }) =>
    (i: number) =>
      i % size === rank
)
