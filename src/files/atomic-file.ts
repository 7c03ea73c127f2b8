/**
 * Atomic writes: readers find a file or folder either unchanged or complete. A file is written under a temporary name in the same folder,
 * flushed to the disk, then renamed; a new folder is created under a temporary name and renamed when it is complete. The next process
 * removes what a killed process left under such a name (`leftovers.ts`).
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { platformReason } from "./platform-reason.ts"
import { temporaryFor } from "./temporary-name.ts"

export class FileError extends Schema.TaggedError<FileError>()("FileError", {
  /** operation that failed */
  action: Schema.Literals(["read", "write"]),
  /** path or name of the file */
  file: Schema.String,
  /** the system's reason, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `cannot ${this.action} ${this.file}: ${this.reason}`
  }
}

export const fileError = (action: "read" | "write", file: string) => (error: PlatformError) =>
  new FileError({ action, file, reason: platformReason(error) })

/**
 * Replaces a file atomically with the output of `write`. Fails as `write` does, or with `failed` applied to the file system's error. An interruption
 * waits for pending file operations: a rename that completed later could take what the next writer put under the same name.
 */
export const replaceFile = <E, R>(
  file: string,
  write: (handle: FileSystem.File) => Effect.Effect<void, E, R>,
  failed: (error: PlatformError) => E
): Effect.Effect<void, E, R | FileSystem.FileSystem> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const temporary = yield* temporaryFor(file)
      const writeTemporary = Effect.gen(function* () {
        // created exclusively: an existing link of this name would be written through
        yield* fs.remove(temporary, { force: true }).pipe(Effect.mapError(failed))
        const handle = yield* fs.open(temporary, { flag: "wx" }).pipe(Effect.mapError(failed))
        yield* restore(write(handle))
        yield* handle.sync.pipe(Effect.mapError(failed))
      })
      yield* Effect.scoped(writeTemporary).pipe(
        Effect.andThen(fs.rename(temporary, file).pipe(Effect.mapError(failed))),
        Effect.onError(() => Effect.ignore(fs.remove(temporary, { force: true })))
      )
    })
  )

/** Writes a file atomically. `content`: a text, encoded as UTF-8, or bytes. */
export const writeFileAtomic = (
  file: string,
  content: string | Uint8Array
): Effect.Effect<void, FileError, FileSystem.FileSystem> => {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
  const failed = fileError("write", file)
  const write = (handle: FileSystem.File) =>
    bytes.length === 0 ? Effect.void : Effect.mapError(handle.writeAll(bytes), failed)
  return replaceFile(file, write, failed)
}

/** Fails for a symbolic link: a run folder may come from elsewhere, and writes must stay in it. */
export const refuseLink = (file: string): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const stat = yield* Effect.result(fs.lstat(file)) // nothing there, or nothing to be seen: the write will say so
    if (Result.isFailure(stat) || stat.success.type !== "SymbolicLink") return
    const reason = "it is a symbolic link, which is not followed for writing; remove it"
    return yield* new FileError({ action: "write", file, reason })
  })

/** Writes JSON with an indentation of two spaces and a final newline. */
export const writeJson = (file: string, value: unknown): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`)

export class FolderExists extends Schema.TaggedError<FolderExists>()("FolderExists", {
  directory: Schema.String
}) {
  override get message() {
    return `${this.directory} exists already and is left unchanged; choose another folder with --out DIR`
  }
}

/**
 * Runs `write` on a temporary folder and renames it to `target`; on any other outcome the temporary folder is removed. It is created in the
 * nearest existing folder above `target`, so that a failure leaves no empty parents.
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
    const temporary = yield* temporaryFor(path.join(above, path.basename(target)))
    const writing = Effect.gen(function* () {
      yield* fs.makeDirectory(temporary).pipe(Effect.mapError(fileError("write", temporary)))
      const result = yield* write(temporary)
      yield* fs
        .makeDirectory(path.dirname(target), { recursive: true })
        .pipe(Effect.mapError(fileError("write", target)))
      if (yield* exists(target)) return yield* taken
      yield* fs.rename(temporary, target).pipe(Effect.mapError(fileError("write", target)))
      return result
    })
    return yield* writing.pipe(Effect.ensuring(Effect.ignore(fs.remove(temporary, { recursive: true, force: true }))))
  })
