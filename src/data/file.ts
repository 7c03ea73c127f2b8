/**
 * Data files with random access. They are the system's files, unless a program provides others
 * (a browser page has files in memory).
 *
 * Node's modules come from the running process (Bun, Deno and Node all have `process.getBuiltinModule`) instead of imports, so
 * that browser bundles, where they do not exist, do not include them.
 */
import type { FileHandle } from "node:fs/promises"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { messageOf } from "../boundary/index.ts"
import { type DataError, dataError } from "./data-error.ts"

/** A file of rows that is open for reading, on disk or in memory. */
export interface DataFile {
  /** path as shown in messages */
  readonly name: string
  /** size in bytes */
  readonly size: number
  /** Reads exactly `length` bytes from `position`. Fails if the file has become shorter. */
  readonly read: (position: number, length: number) => Effect.Effect<Uint8Array, DataError>
  /** Fills `target` with the bytes from `position`. */
  readonly readInto: (target: Uint8Array, position: number) => Effect.Effect<void, DataError>
}

/** Returns bytes in memory as a file. */
export const fileOfBytes = (name: string, bytes: Uint8Array): DataFile => ({
  name,
  size: bytes.length,
  read: (position, length) => Effect.sync(() => bytes.slice(position, position + length)),
  readInto: (target, position) => Effect.sync(() => target.set(bytes.subarray(position, position + target.length)))
})

/** Opens a file until the scope closes. Fails for a missing, unreadable or empty file, and for a directory. */
export type OpenDataFile = (path: string) => Effect.Effect<DataFile, DataError, Scope.Scope>

/** Opens data files: by default the system's; a program may provide another way (`memoryFiles`). */
export const DataFiles = Context.Reference<OpenDataFile>("tfjs-lora-pro/DataFiles", {
  defaultValue: () => openSystemFile
})

export const openFile: OpenDataFile = (path) => Effect.flatMap(DataFiles, (open) => open(path))

interface Modules {
  readonly fs: typeof import("node:fs/promises")
  readonly os: typeof import("node:os")
  readonly path: typeof import("node:path")
}

/** Returns Node's modules, or undefined in a page. */
export const systemModules = (): Modules | undefined => {
  const { process } = globalThis as { readonly process?: NodeJS.Process }
  if (typeof process?.getBuiltinModule !== "function") return undefined
  const [fs, os] = [process.getBuiltinModule("node:fs/promises"), process.getBuiltinModule("node:os")]
  return { fs, os, path: process.getBuiltinModule("node:path") }
}

/** Opens a regular file until the scope closes. Fails for a missing, unreadable or empty file, and for a directory. */
export const openSystemFile = (path: string): Effect.Effect<DataFile, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const modules = systemModules()
    if (modules === undefined) {
      return yield* dataError(
        path,
        "browsers cannot read files by path; use files in memory (memoryFiles) or rows (Data.fromRows)"
      )
    }
    const { fs, path: paths } = modules
    const name = displayName(paths, path)
    const attempt = <A>(run: () => Promise<A>) =>
      Effect.tryPromise({ try: run, catch: (cause) => dataError(name, reasonOf(cause, paths.resolve(path))) })
    // checked before opening: opening a pipe waits for its writer
    const stat = yield* attempt(() => fs.stat(path))
    if (stat.isDirectory()) return yield* dataError(name, "this is a folder; give a data file in it")
    if (!stat.isFile()) {
      return yield* dataError(name, "this is not a regular file; rows are read by position, so save the data to a file")
    }
    if (stat.size === 0) return yield* dataError(name, "the file is empty; at least one row is needed")
    const handle = yield* Effect.acquireRelease(
      attempt(() => fs.open(path, "r")),
      (handle) => Effect.ignore(attempt(() => handle.close()))
    )
    const readInto = (target: Uint8Array, position: number) =>
      Effect.flatMap(
        attempt(() => fill(handle, target, position)),
        (full) =>
          full ? Effect.void : Effect.fail(dataError(name, "the file became shorter while it was in use; start again"))
      )
    return {
      name,
      size: stat.size,
      readInto,
      read: (position, length) =>
        Effect.suspend(() => {
          const bytes = new Uint8Array(length)
          return Effect.as(readInto(bytes, position), bytes)
        })
    }
  })

/** Fills `target`. Returns false if the file ends first. */
const fill = async (handle: FileHandle, target: Uint8Array, position: number): Promise<boolean> => {
  let filled = 0
  while (filled < target.length) {
    const { bytesRead } = await handle.read(target, filled, target.length - filled, position + filled)
    if (bytesRead === 0) return false
    filled += bytesRead
  }
  return true
}

/** Path relative to the working directory, for files below it. */
const displayName = ({ relative, resolve, isAbsolute }: Modules["path"], path: string): string => {
  const absolute = resolve(path)
  const below = relative(process.cwd(), absolute)
  return below.startsWith("..") || isAbsolute(below) ? absolute : below
}

const reasonOf = (cause: unknown, absolute: string): string => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "ENOENT") return `no such file (looked for ${absolute})`
  if (code === "EACCES" || code === "EPERM") return "no permission to read this file"
  if (code === "EISDIR") return "this is a folder; give a data file in it"
  return `reading failed: ${messageOf(cause)}`
}
