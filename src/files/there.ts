/** Checks of existence. Anything that cannot be inspected counts as missing. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"

/** Services for files and their paths. */
export type Files = FileSystem.FileSystem | Path.Path

/** Checks whether a file or folder exists. */
export const isThere = (file: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.exists(file), () => false))

/** Lists the names in a folder. */
export const namesIn = (folder: string): Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.readDirectory(folder), () => []))

/** Runs a program that needs files if they are provided; otherwise, as in a page without files, returns none. */
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
