/**
 * The file system with faults: every write can be made slow, announced, or fail as a full disk does. What is not touched by a fault
 * really happens, so that what is found afterwards is what would be found.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { type PlatformError, systemError } from "effect/PlatformError"
import { platform } from "../src/platform.ts"

/** What is about to be done to a file; "write" is the bytes, also of an append. */
export type Operation = "open" | "write" | "sync" | "rename" | "remove"

/** Runs before the operation, which it can delay or prevent. */
export type Fault = (operation: Operation, path: string) => Effect.Effect<void, PlatformError>

/** What a full disk answers. */
export const noSpace = (path: string): PlatformError =>
  systemError({
    _tag: "Unknown",
    module: "FileSystem",
    method: "write",
    pathOrDescriptor: path,
    cause: Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })
  })

const withFault = (file: FileSystem.File, path: string, fault: Fault): FileSystem.File =>
  Object.create(file, {
    writeAll: { value: (bytes: Uint8Array) => Effect.andThen(fault("write", path), file.writeAll(bytes)) },
    sync: { get: () => Effect.andThen(fault("sync", path), file.sync) }
  })

/** The platform's file system behind `fault`. */
export const faultyFiles = (fault: Fault): Layer.Layer<FileSystem.FileSystem> =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(
      FileSystem.FileSystem,
      (fs): FileSystem.FileSystem => ({
        ...fs,
        open: (path, options) =>
          Effect.andThen(
            fault("open", path),
            Effect.map(fs.open(path, options), (file) => withFault(file, path, fault))
          ),
        writeFileString: (path, text, options) =>
          Effect.andThen(fault("write", path), fs.writeFileString(path, text, options)),
        rename: (from, to) => Effect.andThen(fault("rename", to), fs.rename(from, to)),
        remove: (path, options) => Effect.andThen(fault("remove", path), fs.remove(path, options))
      })
    )
  ).pipe(Layer.provide(platform))
