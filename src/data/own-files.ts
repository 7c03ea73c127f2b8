/** Data files from the file system that a program provides, if it is not the system's: a page's own storage. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import { platformReason } from "../files/index.ts"
import { dataError } from "./data-error.ts"
import { DataFiles, type OpenDataFile } from "./file.ts"

const opened =
  (fs: FileSystem.FileSystem): OpenDataFile =>
  (path) =>
    Effect.gen(function* () {
      const failed = (error: PlatformError) =>
        dataError(path, error.reason._tag === "NotFound" ? "no such file" : `reading failed: ${platformReason(error)}`)
      const { type, size } = yield* fs.stat(path).pipe(Effect.mapError(failed))
      if (type === "Directory") return yield* dataError(path, "this is a folder; give a data file in it")
      if (Number(size) === 0) return yield* dataError(path, "the file is empty; at least one row is needed")
      const handle = yield* fs.open(path).pipe(Effect.mapError(failed))
      const readInto = (target: Uint8Array, position: number) =>
        Effect.gen(function* () {
          for (let filled = 0; filled < target.length; ) {
            const options = { position: BigInt(position + filled) }
            const count = yield* handle.read(target.subarray(filled), options).pipe(Effect.mapError(failed))
            if (count === 0) return yield* dataError(path, "the file became shorter while it was in use; start again")
            filled += count
          }
        })
      return {
        name: path,
        size: Number(size),
        readInto,
        read: (position, length) =>
          Effect.suspend(() => {
            const bytes = new Uint8Array(length)
            return Effect.as(readInto(bytes, position), bytes)
          })
      }
    })

/** Provides data files from a program's `FileSystem`. */
export const packageDataFiles: Layer.Layer<never, never, FileSystem.FileSystem> = Layer.effect(
  DataFiles,
  Effect.map(FileSystem.FileSystem, opened)
)
