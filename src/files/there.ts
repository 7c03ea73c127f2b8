/** What is there. What cannot be looked at is not. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"

/** Files, and the paths that lead to them. */
export type Files = FileSystem.FileSystem | Path.Path

/** Whether there is something of this name. */
export const isThere = (file: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.exists(file), () => false))

/** Names in a folder. */
export const namesIn = (folder: string): Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.readDirectory(folder), () => []))
