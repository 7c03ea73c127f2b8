/** Runs a command in all processes started by `mpirun`, the ranks of one run; the first rank prints. */
import os from "node:os"
import * as Effect from "effect/Effect"
import { PARENT } from "../compare/parent-watch.ts"
import { Ranks, stoppingTogether } from "../ranks/index.ts"
import { type Launch, launched, mpi } from "../ranks/mpi/index.ts"

/** Returns the grace period in milliseconds: a part of the time between the signal and the kill; the rest is for saving. */
const graceOf = ({ untilKilled }: Launch): number => Math.min(10_000, 0.4 * untilKilled)

/**
 * Returns how this process was launched; undefined for a single process, and for the trial of a comparison, whose environment belongs to
 * another process.
 */
const launchOf = (): Launch | undefined => (process.env[PARENT] === undefined ? launched() : undefined)

/** Runs the program on all ranks, or in this process if it is the only one. */
export const onRanks = <A, E, R>(program: Effect.Effect<A, E, R>) => {
  const launch = launchOf()
  return launch === undefined
    ? program
    : Effect.andThen(askedSoftly, program.pipe(stoppingTogether(graceOf(launch)))).pipe(
        Effect.scoped,
        Effect.provide(mpi(launch))
      )
}

/**
 * Signals that `mpirun` forwards to all ranks: Open MPI both, MPICH the first. Slurm sends one before a job ends, if requested
 * (`--signal=USR1@120`). They do not kill the run, so the ranks may take as long as a step to agree.
 */
const SOFT = ["SIGUSR1", "SIGUSR2"] as const

const askedSoftly = Effect.gen(function* () {
  const { stop } = yield* Ranks
  const ask = () => {
    stop.requested = true
  }
  yield* Effect.forEach(SOFT, (signal) =>
    Effect.acquireRelease(
      Effect.sync(() => process.on(signal, ask)),
      () => Effect.sync(() => process.off(signal, ask))
    )
  )
})

/** Runs an effect on the first rank only, also if the ranks have lost or never found each other. */
export const onFirstRank = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<void, E, R> =>
  Effect.suspend(() => ((launchOf()?.rank ?? 0) === 0 ? Effect.asVoid(effect) : Effect.void))

/**
 * Returns the number of threads of a rank. "auto" divides the cores among the ranks of a machine; a launcher that binds a process to some
 * of the cores has already divided them.
 */
export const threadsOfRank = (threads: "auto" | number): "auto" | number => {
  const launch = launchOf()
  return threads === "auto" && launch !== undefined
    ? sharedCores(launch.localSize, os.availableParallelism(), os.cpus().length)
    : threads
}

/** Returns the number of cores for each of `ranks` processes on a machine with `all` cores, of which this process may use `own`. */
export const sharedCores = (ranks: number, cores: number, all: number): number =>
  Math.max(1, cores < all ? Math.min(cores, Math.ceil(all / ranks)) : Math.floor(all / ranks))
