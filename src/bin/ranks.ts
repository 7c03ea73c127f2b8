/** Runs a command in all processes started by `mpirun`, the ranks of one run; the first rank prints. */
import os from "node:os"
import * as Effect from "effect/Effect"
import { PARENT } from "../compare/parent-watch.ts"
import { Ranks, stoppingTogether } from "../ranks/index.ts"
import { type Launch, launched, mpi } from "../ranks/mpi/index.ts"

/** Part of the time between the signal and the end that cannot be refused; the rest is for what has to be saved. */
const graceOf = ({ untilKilled }: Launch): number => Math.min(10_000, 0.4 * untilKilled)

/** How this process was launched; undefined: it is alone, as is the trial of a comparison, whose environment is another process's. */
const launchOf = (): Launch | undefined => (process.env[PARENT] === undefined ? launched() : undefined)

/** The program on all ranks, or in this process alone where it is the only one. */
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
 * `mpirun` hands these on to all ranks, Open MPI's both and MPICH's the first, and Slurm sends one some time before a job's end where it is
 * asked to (`--signal=USR1@120`). The run is not killed after it, so that the step in which the ranks agree may take as long as it does.
 */
const SOFT = ["SIGUSR1", "SIGUSR2"] as const

const askedSoftly = Effect.gen(function* () {
  const { stop } = yield* Ranks
  const ask = () => {
    stop.asked = true
  }
  yield* Effect.forEach(SOFT, (signal) =>
    Effect.acquireRelease(
      Effect.sync(() => process.on(signal, ask)),
      () => Effect.sync(() => process.off(signal, ask))
    )
  )
})

/** What only the first rank says, also where the ranks have parted or could not meet. */
export const spoken = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<void, E, R> =>
  Effect.suspend(() => ((launchOf()?.rank ?? 0) === 0 ? Effect.asVoid(effect) : Effect.void))

/**
 * Threads of a rank where the plan leaves them to the machine: those on one machine share its cores. A launcher that has bound a process to
 * some of the cores has divided them already.
 */
export const threadsOfRank = (threads: "auto" | number): "auto" | number => {
  const launch = launchOf()
  return threads === "auto" && launch !== undefined
    ? sharedCores(launch.localSize, os.availableParallelism(), os.cpus().length)
    : threads
}

/** Cores of each of `ranks` processes on a machine with `all`, of which this process may use `own`. */
export const sharedCores = (ranks: number, own: number, all: number): number =>
  Math.max(1, own < all ? Math.min(own, Math.ceil(all / ranks)) : Math.floor(all / ranks))
