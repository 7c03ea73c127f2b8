/**
 * One run folder for all ranks of a run: rank 0 opens it, and alone writes files and output. The others receive rank 0's view of the
 * folder, never read it themselves (it may be on a disk that they cannot access), and write nothing.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Logger from "effect/Logger"
import { type GuardedFolder, writtenElsewhere } from "../files/index.ts"
import type { FoundRun, Run } from "../output/index.ts"
import { onFirst, type RankError, Ranks } from "../ranks/index.ts"
import { Progress } from "./progress.ts"

type Failure = { readonly message: string }

/** Runs `open` on rank 0 and returns its result; the other ranks rebuild it from what rank 0 sends. */
const ofFirst = <A, Told, E extends Failure, R>(
  open: Effect.Effect<A, E, R>,
  publicPart: (value: A) => Told,
  anew: (shared: Told, guard: GuardedFolder) => A
): Effect.Effect<A, E | RankError, R | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const opened: Array<A> = []
    const ofFirst = yield* onFirst(
      Effect.map(open, (value) => {
        opened.push(value)
        return publicPart(value)
      })
    )
    return opened[0] ?? anew(ofFirst, yield* writtenElsewhere)
  })

/** Opens a run that rank 0 starts or resumes. */
export const openedByFirst = <E extends Failure, R>(open: Effect.Effect<Run, E, R>) =>
  ofFirst(
    open,
    ({ guard: _, append: __, ...told }: Run) => told,
    (shared, guard): Run => ({ ...shared, guard, append: () => Effect.void })
  )

/** Opens an existing run folder that rank 0 finds. */
export const foundByFirst = <E extends Failure, R>(find: Effect.Effect<FoundRun, E, R>) =>
  ofFirst(
    find,
    ({ guard: _, ...told }: FoundRun) => told,
    (shared, guard): FoundRun => ({ ...shared, guard })
  )

/** Provides services with which only rank 0 prints. */
export const spokenByFirst = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Ranks, ({ rank }) =>
    rank === 0
      ? program
      : program.pipe(
          Effect.provideService(Progress, () => Effect.void),
          Effect.provideService(Logger.CurrentLoggers, new Set())
        )
  )
