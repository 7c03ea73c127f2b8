/**
 * One run in several processes, which are called its ranks. Every rank goes through the whole program with the same plan; at some places they
 * meet and tell each other what each has computed. A run has the same bits whatever their number: what is divided among ranks is put
 * together in the order in which one rank would have made it.
 *
 * All ranks meet in the same order: a program that runs one of these effects runs it on every rank. An effect that waits lets the event loop go on.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"

/** A rank is gone, or its message never came. */
export class RankError extends Schema.TaggedError<RankError>()("RankError", {
  /** whose fault it is; null: it is not known */
  rank: Schema.NullOr(Schema.Int),
  /** processes of the run */
  size: Schema.Int,
  /** the machine that it runs on, where that is known */
  host: Schema.optionalKey(Schema.String),
  /** what happened, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    if (this.rank === null) return this.reason
    return `rank ${this.rank} of ${this.size}${this.host === undefined ? "" : ` (${this.host})`}: ${this.reason}`
  }
}

export interface RanksShape {
  /** from 0 on; rank 0 writes the run folder and speaks to the user */
  readonly rank: number
  /** processes of the run */
  readonly size: number
  /** the machine that this one runs on, where ranks may be on several */
  readonly host?: string
  /**
   * Every rank's bytes, in the order of the ranks. `lengths`: how many bytes each rank gives, where all of them know; absent: they tell
   * each other first.
   */
  readonly allGather: (
    own: Uint8Array,
    lengths?: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<Uint8Array>, RankError>
  /** Every rank's bytes on rank 0, in the order of the ranks; an empty list on the others. */
  readonly gather: (own: Uint8Array) => Effect.Effect<ReadonlyArray<Uint8Array>, RankError>
  /** The bytes of rank 0, on all ranks; what the others give is ignored. */
  readonly broadcast: (own: Uint8Array) => Effect.Effect<Uint8Array, RankError>
  /** Waits until all ranks are here. */
  readonly barrier: Effect.Effect<void, RankError>
  /**
   * A rank that is asked to stop does so with the others: what it says here travels with the next gradients, and all of them stop after
   * that step.
   */
  readonly stop: {
    /** this rank was asked to */
    asked: boolean
    /** a rank was, and all know of it */
    agreed: boolean
  }
}

/** One process, which waits for no other. */
export const alone: RanksShape = {
  rank: 0,
  size: 1,
  allGather: (own) => Effect.succeed([own]),
  gather: (own) => Effect.succeed([own]),
  broadcast: Effect.succeed,
  barrier: Effect.void,
  stop: { asked: false, agreed: false }
}

/** The ranks of the program; one process by default. */
export const Ranks = Context.Reference<RanksShape>("tfjs-lora-pro/Ranks", { defaultValue: () => alone })

/**
 * The first meeting of the ranks: fails if one of them does not come within `milliseconds`, so that the others do not wait for
 * ever. Later ones have no bound: how long a rank reads and computes is its own affair.
 */
export const begunTogether = (milliseconds: number): Effect.Effect<void, RankError> =>
  Effect.flatMap(Ranks, ({ barrier, size }) => {
    const reason = `another process of the run has not begun after ${Math.ceil(milliseconds / 1_000)} seconds`
    const orElse = () => Effect.fail(new RankError({ rank: null, size, reason }))
    return Effect.timeoutOrElse(barrier, { duration: milliseconds, orElse })
  })

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes))

/**
 * What `effect` comes to on rank 0, on every rank; it runs there alone. Its value goes through JSON. Where it fails, rank 0 fails with its
 * error and the others with a `RankError` that has its message.
 */
export const onFirst = <A, E extends { readonly message: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | RankError, R> =>
  Effect.gen(function* () {
    const ranks = yield* Ranks
    if (ranks.size === 1) return yield* effect
    if (ranks.rank === 0) {
      const exit = yield* Effect.exit(effect)
      const told = Exit.isSuccess(exit) ? { value: exit.value ?? null } : { failed: failureOf(exit) }
      yield* ranks.broadcast(encode(told))
      return yield* exit
    }
    const told = decode(yield* ranks.broadcast(new Uint8Array())) as { readonly value?: A; readonly failed?: string }
    if (told.failed !== undefined) return yield* new RankError({ rank: 0, size: ranks.size, reason: told.failed })
    return told.value as A
  })

const failureOf = <A, E extends { readonly message: string }>(exit: Exit.Exit<A, E>): string => {
  const error = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
  return error?._tag === "Fail" ? error.error.message : "it could not go on"
}

/** A value of each rank, in their order; each goes through JSON. */
export const fromAll = (own: unknown): Effect.Effect<ReadonlyArray<unknown>, RankError> =>
  Effect.flatMap(Ranks, ({ allGather }) => Effect.map(allGather(encode(own)), (all) => all.map(decode)))

/** A range of whole numbers, its end not in it. */
export interface Range {
  /** the first number */
  readonly start: number
  /** one more than the last */
  readonly end: number
}

/** `count` things in as many consecutive ranges as there are ranks, none longer than another by more than one. */
export const rangesOf = (count: number, size: number): ReadonlyArray<Range> =>
  Array.from({ length: size }, (_, rank) => ({
    start: Math.floor((rank * count) / size),
    end: Math.floor(((rank + 1) * count) / size)
  }))
