/**
 * Processes that `mpirun` or `srun` started as one run, which communicate through MPI. Loaded only by programs that may be started that way,
 * never by a page.
 *
 * @example
 * import { Effect, Layer } from "effect"
 * import { launched, mpi } from "./index.ts"
 *
 * const launch = launched()
 * const alike = <A, E, R>(program: Effect.Effect<A, E, R>) =>
 *   Effect.provide(program, launch === undefined ? Layer.empty : mpi(launch))
 */
import process from "node:process"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { limit, overLimit } from "../../boundary/index.ts"
import type { Unavailable } from "../../ffi/index.ts"
import { begunTogether, RankError, Ranks } from "../ranks.ts"
import type { Launch } from "./launch.ts"
import { mismatch, openLibrary } from "./library.ts"
import { lostConnection } from "./lost-connection.ts"
import { watchedStart } from "./start-watch.ts"
import type { System } from "./system.ts"
import { openWorld, type World } from "./world.ts"

export { type Launch, launched } from "./launch.ts"
export { foundLibraries, LIBRARY_VARIABLE } from "./library.ts"

/** Error of processes that cannot communicate: there is no MPI library, or it is not the launcher's. */
export class MpiError extends Schema.TaggedError<MpiError>()("MpiError", {
  rank: Schema.Int,
  /** number of processes; null: the launcher does not report it */
  size: Schema.NullOr(Schema.Int),
  /** launcher, such as "Open MPI's mpirun" */
  by: Schema.String,
  reason: Schema.String,
  remedy: Schema.String
}) {
  override get message() {
    return `rank ${this.rank}${this.size === null ? "" : ` of ${this.size}`}, started by ${this.by}: ${this.reason}; ${this.remedy}`
  }
}

/** Milliseconds that a rank whose failure was reported waits to be ended, before it ends by itself and says why. */
const PATIENCE = 600_000
/** The same where it was interrupted: as the first one, which saves. */
const PATIENCE_INTERRUPTED = 60_000
/** The same where no library is open: the others likely have the same failure, and the first one says it. */
const PATIENCE_ALONE = 2_000

/**
 * Provides the ranks of a launched run. If the scope ends successfully on all ranks, they disconnect. On failure, a rank other than the first
 * reports it and waits to be ended; the first one ends all when its process exits, after it has printed its messages.
 */
export const mpi = (launch: Launch): Layer.Layer<never, MpiError> =>
  Layer.effect(Ranks, Effect.acquireRelease(open(launch), part))

const refused = ({ rank, size, by }: Launch, no: Unavailable) =>
  Effect.fail(new MpiError({ rank, size: size ?? null, by, ...no })).pipe(Effect.delay(rank === 0 ? 0 : PATIENCE_ALONE))

const open = (launch: Launch): Effect.Effect<World, MpiError> =>
  Effect.gen(function* () {
    const library = openLibrary(launch.abi)
    if ("reason" in library) return yield* refused(launch, library)
    const lost = lostConnection(library)
    if (lost !== undefined) return yield* refused(launch, lost)
    const late = notBegun(launch)
    // the first one says it for all, unless it is what has not begun
    const patience = 1_000 * limit("rank-seconds") + (launch.rank === 0 ? 0 : PATIENCE_ALONE)
    const stop = yield* Effect.promise(() => watchedStart(`\nERROR\n  ${late.message}\n`, patience))
    const world = openWorld(library)
    stop()
    if (launch.size !== undefined && world.size !== launch.size) {
      yield* world.finalize
      return yield* refused(launch, mismatch(launch, library, world.size))
    }
    process.on("exit", (code) => {
      if (parted.has(world)) {
        if (library.finishesAtExit) library.system.exit(code)
        return
      }
      // what the first rank had to say is said; the library's words and the launcher's are not about this run
      if (!launch.endsAll) untilRead(library.system)
      library.system.silence()
      if (code === 0 || !launch.endsAll) world.abort(code === 0 ? 1 : code)
    })
    yield* begunTogether(patience).pipe(
      Effect.provideService(Ranks, world),
      Effect.mapError(() => late)
    )
    return world
  })

const notBegun = ({ rank, size, by }: Launch) =>
  new MpiError({
    rank,
    size: size ?? null,
    by,
    reason: `another process of the run has not started after ${overLimit("rank-seconds")}`,
    remedy: "find out what it waits for (a machine, a disk, memory), and start the run again"
  })

/** Milliseconds for which an end waits for the launcher to read what was said. */
const UNTIL_READ = 2_000

/** MPICH's launcher ends with what ends the processes, and what it has not read from their pipes by then is lost. */
const untilRead = (system: System): void => {
  const asleep = new Int32Array(new SharedArrayBuffer(4))
  const until = performance.now() + UNTIL_READ
  while ([1, 2].some((file) => system.unread(file) > 0) && performance.now() < until) Atomics.wait(asleep, 0, 0, 1)
}

/** Those that have nothing more to say to each other. */
const parted = new WeakSet<World>()

const part = (world: World, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (Exit.isSuccess(exit) || (world.stop.agreed && Cause.hasInterruptsOnly(exit.cause))) {
      // one that was lost here is reported by its launcher: the run is whole
      const together = yield* world.barrier.pipe(Effect.isSuccess, Effect.timeoutOrElse(PARTING))
      if (!together) return
      parted.add(world)
      return yield* world.finalize
    }
    if (world.rank === 0) return
    const failure = failureOf(exit.cause)
    if (failure === undefined) return
    yield* world.tell({ host: world.host, reason: failure.reason })
    const patience = failure.reason === null ? PATIENCE_INTERRUPTED : PATIENCE
    yield* Effect.ignore(Effect.timeout(world.attend, patience))
  })

const PARTING = { duration: PATIENCE_INTERRUPTED, orElse: () => Effect.succeed(false) }

/** Undefined: it is for this process to say, or the first rank's own. */
const failureOf = (cause: Cause.Cause<unknown>): { readonly reason: string | null } | undefined => {
  if (Cause.hasInterruptsOnly(cause)) return { reason: null }
  const error = cause.reasons.find((reason) => reason._tag === "Fail")?.error
  if (error instanceof RankError) return error.rank === 0 ? { reason: null } : { reason: error.reason }
  return error instanceof Error ? { reason: error.message } : undefined
}
