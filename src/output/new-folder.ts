/**
 * A folder that exists complete or not at all, as `writeFileAtomic` does for a file.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { type FileError, fileError } from "../files/index.ts"

export class FolderExists extends Schema.TaggedError<FolderExists>()("FolderExists", {
  directory: Schema.String
}) {
  override get message() {
    return `${this.directory} exists already and is left as it is; give another folder with --out DIR`
  }
}

/**
 * Runs `write` on a temporary folder and renames that to `target`; on any other outcome the temporary folder is removed. It is made in the
 * nearest folder above `target` that exists, so that a failure leaves no empty parents.
 */
export const inNewFolder = <A, E, R>(
  target: string,
  write: (folder: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | FolderExists | FileError, R | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const exists = (file: string) => fs.exists(file).pipe(Effect.mapError(fileError("read", file)))
    const taken = new FolderExists({ directory: target })
    if (yield* exists(target)) return yield* taken
    let above = path.dirname(path.resolve(target))
    while (!(yield* exists(above))) above = path.dirname(above)
    const temporary = path.join(above, `${path.basename(target)}.tmp-${process.pid}`)
    const writing = Effect.gen(function* () {
      yield* fs.makeDirectory(temporary).pipe(Effect.mapError(fileError("write", temporary)))
      const written = yield* write(temporary)
      yield* fs
        .makeDirectory(path.dirname(target), { recursive: true })
        .pipe(Effect.mapError(fileError("write", target)))
      if (yield* exists(target)) return yield* taken
      yield* fs.rename(temporary, target).pipe(Effect.mapError(fileError("write", target)))
      return written
    })
    return yield* writing.pipe(Effect.ensuring(Effect.ignore(fs.remove(temporary, { recursive: true, force: true }))))
  })
