/**
 * One run in several processes, called its ranks. Every rank runs the whole program with the same plan; at certain points they
 * exchange what each has computed. A run gives the same bits for any number of ranks: divided results are
 * combined in the order in which a single rank would have computed them.
 *
 * All ranks communicate in the same order: a program that runs one of these effects runs it on every rank. Waiting does not block the event loop.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"

/** Error of a rank that has failed, or whose message did not arrive. */
export class RankError extends Schema.TaggedError<RankError>()("RankError", {
  /** rank that failed; null: unknown */
  rank: Schema.NullOr(Schema.Int),
  /** number of ranks */
  size: Schema.Int,
  /** machine of that rank, if known */
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
  /** rank of this process, from 0; rank 0 writes the run folder and the output */
  readonly rank: number
  /** number of ranks */
  readonly size: number
  /** machine of this process, if ranks may run on several */
  readonly host?: string
  /**
   * Gathers every rank's bytes on all ranks, in the order of the ranks. `lengths`: number of bytes of each rank, if all of them know it; absent:
   * the ranks exchange it first.
   */
  readonly allGather: (
    bytes: Uint8Array,
    lengths?: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<Uint8Array>, RankError>
  /** Gathers every rank's bytes on rank 0, in the order of the ranks; returns an empty list on the others. */
  readonly gather: (bytes: Uint8Array) => Effect.Effect<ReadonlyArray<Uint8Array>, RankError>
  /** Sends the bytes of rank 0 to all ranks; ignores the arguments of the others. */
  readonly broadcast: (bytes: Uint8Array) => Effect.Effect<Uint8Array, RankError>
  /** Waits until all ranks have reached this point. */
  readonly barrier: Effect.Effect<void, RankError>
  /**
   * Stop requests, on which ranks agree: a request travels with the next gradients, and all ranks stop after
   * that step.
   */
  readonly stop: {
    /** whether this rank was asked to stop */
    requested: boolean
    /** whether all ranks know of a request */
    agreed: boolean
  }
}

/** A single process, which waits for no other. */
export const alone: RanksShape = {
  rank: 0,
  size: 1,
  allGather: (bytes) => Effect.succeed([bytes]),
  gather: (bytes) => Effect.succeed([bytes]),
  broadcast: Effect.succeed,
  barrier: Effect.void,
  stop: { requested: false, agreed: false }
}

/** The program's ranks; default: a single process. */
export const Ranks = Context.Reference<RanksShape>("tfjs-lora-pro/Ranks", { defaultValue: () => alone })

/**
 * Waits for all ranks to start; fails if one of them does not within `milliseconds`, so that the others do not wait
 * forever. Later waits are unbounded: a rank may read and compute for as long as it needs.
 */
export const begunTogether = (milliseconds: number): Effect.Effect<void, RankError> =>
  Effect.flatMap(Ranks, ({ barrier, size }) => {
    const reason = `another process of the run has not started after ${Math.ceil(milliseconds / 1_000)} seconds`
    const orElse = () => Effect.fail(new RankError({ rank: null, size, reason }))
    return Effect.timeoutOrElse(barrier, { duration: milliseconds, orElse })
  })

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes))

/**
 * Runs `effect` on rank 0 alone and returns its value, sent as JSON, on every rank. If it fails, rank 0 fails with its
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
      const outcome = Exit.isSuccess(exit) ? { value: exit.value ?? null } : { failed: failureOf(exit) }
      yield* ranks.broadcast(encode(outcome))
      return yield* exit
    }
    const outcome = decode(yield* ranks.broadcast(new Uint8Array())) as { readonly value?: A; readonly failed?: string }
    if (outcome.failed !== undefined) return yield* new RankError({ rank: 0, size: ranks.size, reason: outcome.failed })
    return outcome.value as A
  })

const failureOf = <A, E extends { readonly message: string }>(exit: Exit.Exit<A, E>): string => {
  const error = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
  return error?._tag === "Fail" ? error.error.message : "it could not continue"
}

/** Gathers a value of each rank, in their order; each is sent as JSON. */
export const fromAll = (value: unknown): Effect.Effect<ReadonlyArray<unknown>, RankError> =>
  Effect.flatMap(Ranks, ({ allGather }) => Effect.map(allGather(encode(value)), (all) => all.map(decode)))

/** A range of integers; its end is excluded. */
export interface Range {
  /** first integer */
  readonly start: number
  /** end, excluded */
  readonly end: number
}

/** Divides `count` items into consecutive ranges, one per rank, whose lengths differ by at most one. */
export const rangesOf = (count: number, size: number): ReadonlyArray<Range> =>
  Array.from({ length: size }, (_, rank) => ({
    start: Math.floor((rank * count) / size),
    end: Math.floor(((rank + 1) * count) / size)
  }))
