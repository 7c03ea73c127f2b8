/** What is there. What cannot be looked at is not. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"

/** Files, and the paths that lead to them. */
export type Files = FileSystem.FileSystem | Path.Path

/** Whether there is something of this name. */
export const isThere = (file: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.exists(file), () => false))

/** Names in a folder. */
export const namesIn = (folder: string): Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.readDirectory(folder), () => []))

/** Runs what needs files where the program provides them; none where it does not, as a page without any. */
export const withProvidedFiles = <A, E, R>(
  effect: Effect.Effect<A, E, R | Files>
): Effect.Effect<Option.Option<A>, E, Exclude<R, Files>> =>
  Effect.gen(function* () {
    const fs = yield* Effect.serviceOption(FileSystem.FileSystem)
    const path = yield* Effect.serviceOption(Path.Path)
    if (Option.isNone(fs) || Option.isNone(path)) return Option.none()
    const provided = effect.pipe(
      Effect.provideService(FileSystem.FileSystem, fs.value),
      Effect.provideService(Path.Path, path.value)
    )
    return Option.some(yield* provided)
  }) as Effect.Effect<Option.Option<A>, E, Exclude<R, Files>>
