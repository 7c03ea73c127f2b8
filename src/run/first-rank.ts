/**
 * One run folder for all ranks of a run: rank 0 opens it, alone writes it, and speaks to the user. The others know all that it knows of the
 * folder, see nothing of it themselves (it may be on a disk that they have not), and write nothing.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Logger from "effect/Logger"
import { type GuardedFolder, writtenElsewhere } from "../files/index.ts"
import type { FoundRun, Run } from "../output/index.ts"
import { onFirst, type RankError, Ranks } from "../ranks/index.ts"
import { Progress } from "./progress.ts"

type Failure = { readonly message: string }

/** What `open` comes to, on rank 0 as it is; on the others it is made anew from what rank 0 sends. */
const ofFirst = <A, Told, E extends Failure, R>(
  open: Effect.Effect<A, E, R>,
  told: (own: A) => Told,
  anew: (told: Told, guard: GuardedFolder) => A
): Effect.Effect<A, E | RankError, R | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const opened: Array<A> = []
    const known = yield* onFirst(
      Effect.map(open, (own) => {
        opened.push(own)
        return told(own)
      })
    )
    return opened[0] ?? anew(known, yield* writtenElsewhere)
  })

/** A run that rank 0 begins or continues. */
export const openedByFirst = <E extends Failure, R>(open: Effect.Effect<Run, E, R>) =>
  ofFirst(
    open,
    ({ guard: _, append: __, ...told }: Run) => told,
    (told, guard): Run => ({ ...told, guard, append: () => Effect.void })
  )

/** A run that rank 0 found. */
export const foundByFirst = <E extends Failure, R>(find: Effect.Effect<FoundRun, E, R>) =>
  ofFirst(
    find,
    ({ guard: _, ...told }: FoundRun) => told,
    (told, guard): FoundRun => ({ ...told, guard })
  )

/** What a program says, said once. */
export const spokenByFirst = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Ranks, ({ rank }) =>
    rank === 0
      ? program
      : program.pipe(
          Effect.provideService(Progress, () => Effect.void),
          Effect.provideService(Logger.CurrentLoggers, new Set())
        )
  )
