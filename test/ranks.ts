/**
 * Ranks within one process, for tests: each is a fiber, and all compute on the one backend that a process has. They meet as processes do: what a
 * rank says is a copy, and a rank that fails leaves the others waiting, which then fail.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { RankError, Ranks, type RanksShape } from "../src/ranks/index.ts"

interface Meeting {
  readonly said: Array<Uint8Array | undefined>
  readonly over: Deferred.Deferred<ReadonlyArray<Uint8Array>, RankError>
}

/** Also counts what is sent: bytes by rank. */
export const ranksInProcess = (size: number) => {
  const meetings: Array<Meeting> = []
  const sent = new Array<number>(size).fill(0)
  let lost: RankError | undefined
  const meeting = (at: number): Meeting => {
    meetings[at] ??= { said: new Array(size), over: Deferred.makeUnsafe() }
    return meetings[at]
  }
  const shapes = Array.from({ length: size }, (_, rank): RanksShape => {
    let next = 0
    const meet = (own: Uint8Array) =>
      Effect.suspend(() => {
        const { said, over } = meeting(next++)
        sent[rank]! += own.length
        said[rank] = own.slice()
        if (lost !== undefined) return Effect.fail(lost)
        return Array.from(said, (one) => one !== undefined).every(Boolean)
          ? Effect.andThen(Deferred.succeed(over, said as Array<Uint8Array>), Deferred.await(over))
          : Deferred.await(over)
      })
    return {
      rank,
      size,
      allGather: (own, lengths) =>
        Effect.tap(meet(own), (all) =>
          // what MPI would do with other lengths is to write beyond the end
          lengths === undefined || all.every((one, i) => one.length === lengths[i])
            ? Effect.void
            : Effect.die(new Error(`lengths ${all.map((one) => one.length)} are not ${lengths}`))
        ),
      gather: (own) => Effect.map(meet(own), (all) => (rank === 0 ? all : [])),
      broadcast: (own) => Effect.map(meet(rank === 0 ? own : new Uint8Array()), ([first]) => first!.slice()),
      barrier: Effect.asVoid(meet(new Uint8Array())),
      stop: { requested: false, agreed: false }
    }
  })
  const onRank =
    <A, E, R>(program: (rank: number) => Effect.Effect<A, E, R>) =>
    (shape: RanksShape) =>
      Effect.suspend(() => program(shape.rank)).pipe(
        Effect.provideService(Ranks, shape),
        Effect.onError(() =>
          Effect.suspend(() => {
            lost ??= new RankError({ rank: shape.rank, size, reason: "it failed" })
            return Effect.forEach(meetings, ({ over }) => Deferred.fail(over, lost!), { discard: true })
          })
        )
      )
  /** Runs the program on every rank; results in their order. Where one fails, the others do not wait for it. */
  const run = <A, E, R>(program: (rank: number) => Effect.Effect<A, E, R>) =>
    Effect.forEach(shapes, onRank(program), { concurrency: "unbounded" })
  /** The same; how each rank ends. */
  const exits = <A, E, R>(program: (rank: number) => Effect.Effect<A, E, R>) =>
    Effect.forEach(shapes, (shape) => Effect.exit(onRank(program)(shape)), { concurrency: "unbounded" })
  return { run, exits, sent, shapes }
}
