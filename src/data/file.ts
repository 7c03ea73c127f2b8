/** A data file opened for positional reads: the one place of `src/data` that touches the file system. */
import type { FileHandle } from "node:fs/promises"
import { open, stat as statOf } from "node:fs/promises"
import { isAbsolute, relative, resolve } from "node:path"
import process from "node:process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type DataError, dataError } from "./data-error.ts"

export interface DataFile {
  /** the path as messages show it: relative to the working directory where it lies below it */
  readonly name: string
  /** bytes */
  readonly size: number
  /** Exactly `length` bytes from `position`; fails where the file has become shorter. */
  readonly read: (position: number, length: number) => Effect.Effect<Uint8Array, DataError>
  /** Fills `target` with the bytes from `position` on. */
  readonly readInto: (target: Uint8Array, position: number) => Effect.Effect<void, DataError>
}

/** Opens a regular file until the scope closes. Fails on a missing, unreadable or empty file and on a directory. */
export const openFile = (path: string): Effect.Effect<DataFile, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const name = displayName(path)
    const attempt = <A>(run: () => Promise<A>) =>
      Effect.tryPromise({ try: run, catch: (cause) => dataError(name, reasonOf(cause, path)) })
    // asked before it is opened: to open a pipe is to wait for whoever writes to it
    const stat = yield* attempt(() => statOf(path))
    if (stat.isDirectory()) return yield* dataError(name, "this is a folder; give a .jsonl, .ndjson or .csv file in it")
    if (!stat.isFile()) {
      return yield* dataError(name, "this is not a regular file; rows are read by position, so save the data to a file")
    }
    if (stat.size === 0) return yield* dataError(name, "the file is empty; at least one row is needed")
    const handle = yield* Effect.acquireRelease(
      attempt(() => open(path, "r")),
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

/** False where the file ends first. */
const fill = async (handle: FileHandle, target: Uint8Array, position: number): Promise<boolean> => {
  let filled = 0
  while (filled < target.length) {
    const { bytesRead } = await handle.read(target, filled, target.length - filled, position + filled)
    if (bytesRead === 0) return false
    filled += bytesRead
  }
  return true
}

const displayName = (path: string): string => {
  const below = relative(process.cwd(), resolve(path))
  return below.startsWith("..") || isAbsolute(below) ? resolve(path) : below
}

const reasonOf = (cause: unknown, path: string): string => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "ENOENT") return `there is no such file (looked for ${resolve(path)})`
  if (code === "EACCES" || code === "EPERM") return "no permission to read this file"
  if (code === "EISDIR") return "this is a folder; give a .jsonl, .ndjson or .csv file in it"
  return `reading failed: ${cause instanceof Error ? cause.message : String(cause)}`
}
