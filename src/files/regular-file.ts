/**
 * Reads regular files only. The type of a file must be checked before it is opened: opening a pipe waits for its writer, and a device never
 * ends.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { FileError, fileError } from "./atomic-file.ts"

const kinds: { readonly [type in FileSystem.File.Type]?: string } = {
  FIFO: "a pipe",
  CharacterDevice: "a device",
  BlockDevice: "a device",
  Socket: "a socket"
}

/** Returns the end of a sentence that describes a file of another type, or undefined for a regular file. */
export const irregular = (type: FileSystem.File.Type): string | undefined => {
  if (type === "File") return undefined
  if (type === "Directory") return "it is a folder"
  const kind = kinds[type]
  return kind === undefined ? "it is not a regular file" : `it is ${kind}, not a regular file`
}

/** Returns information about a regular file. Follows links. Fails for anything else. */
export const statRegular = (file: string): Effect.Effect<FileSystem.File.Info, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const info = yield* fs.stat(file).pipe(Effect.mapError(fileError("read", file)))
    const reason = irregular(info.type)
    return reason === undefined ? info : yield* new FileError({ action: "read", file, reason })
  })
