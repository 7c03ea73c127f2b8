/** What was written to a file, or renamed in a folder, is on the disk when this is done: it outlives a loss of power. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"

/** Some systems cannot flush a folder, and a file may be missing: then nothing happens. */
export const flush = (file: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const handle = yield* fs.open(file, { flag: "r" })
    yield* handle.sync
  }).pipe(Effect.scoped, Effect.ignore)
