/**
 * Writes a file so that a reader finds the old one or the whole new one, never a part: temporary name beside it, then rename.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"

export class FileError extends Schema.TaggedError<FileError>()("FileError", {
  action: Schema.Literals(["read", "write"]),
  file: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `cannot ${this.action} ${this.file}: ${this.reason}`
  }
}

export const fileError = (action: "read" | "write", file: string) => (error: PlatformError) =>
  new FileError({ action, file, reason: error.reason.message })

export const writeFileAtomic = (file: string, content: string): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const temporary = `${file}.tmp-${process.pid}`
    yield* fs.writeFileString(temporary, content)
    yield* fs.rename(temporary, file)
  }).pipe(Effect.mapError(fileError("write", file)))

/** JSON with two spaces and a final newline. */
export const writeJson = (file: string, value: unknown): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`)
