/**
 * Writes a file so that a reader finds the old one or the whole new one, never a part: temporary name beside it, then rename.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { platformReason } from "../tensors/platform-reason.ts"
import { temporaryName } from "../tensors/temporary-name.ts"

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
  new FileError({ action, file, reason: platformReason(error) })

/** `content`: a text as UTF-8, or bytes as they are. */
export const writeFileAtomic = (
  file: string,
  content: string | Uint8Array
): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const temporary = temporaryName(file)
    // made anew: a link that somebody left under this name would be written through
    yield* fs.remove(temporary, { force: true })
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
    yield* fs.writeFile(temporary, bytes, { flag: "wx" })
    yield* fs.rename(temporary, file)
  }).pipe(Effect.mapError(fileError("write", file)))

/** Fails where a symbolic link stands: a run folder may come from elsewhere, and what is written to it stays in it. */
export const refuseLink = (file: string): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const found = yield* Effect.result(fs.lstat(file)) // nothing there, or nothing to be seen: the write will say so
    if (Result.isFailure(found) || found.success.type !== "SymbolicLink") return
    const reason = "it is a symbolic link, which is not followed for writing; remove it"
    return yield* new FileError({ action: "write", file, reason })
  })

/** JSON with two spaces and a final newline. */
export const writeJson = (file: string, value: unknown): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
  writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`)
