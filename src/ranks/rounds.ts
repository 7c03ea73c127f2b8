/**
 * Divides independent items, such as the batches of an evaluation, among ranks: rank i mod size
 * computes item i. Ranks proceed in rounds: each computes one item, and then all exchange their results, so
 * every rank uses all results in the order of the items, and sums over them have the bits of a single rank.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Message } from "./message.ts"
import { type RankError, Ranks } from "./ranks.ts"

export interface Divided<B, A, E2, R2, E3, R3> {
  /** runs on one rank */
  readonly compute: (thing: B) => Effect.Effect<A, E2, R2>
  /** serialization of a result */
  readonly as: Message<A>
  /** runs on every rank, in the order of the items */
  readonly use: (thing: B, result: A) => Effect.Effect<void, E3, R3>
}

/** Computes each item on one rank and uses its result on all. With one rank: computes and uses one item after the other. */
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
          const bytes = rank < some.length ? as.write(yield* compute(some[rank]!)) : new Uint8Array()
          const all = yield* allGather(bytes)
          for (const [i, thing] of some.entries()) yield* use(thing, as.read(all[i]!))
        })
      yield* Stream.runForEach(Stream.grouped(things, size), round)
    })

/** Returns whether this rank computes item i. */
export const computesThing = Effect.map(
  Ranks,
  ({ rank, size }) =>
    (i: number) =>
      i % size === rank
)
