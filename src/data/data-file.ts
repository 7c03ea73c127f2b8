/** A data file as rows are read from it: by position, in any order. */
import * as Effect from "effect/Effect"
import type { DataError } from "./data-error.ts"

export interface DataFile {
  /** the path as messages show it */
  readonly name: string
  /** bytes */
  readonly size: number
  /** Exactly `length` bytes from `position`; fails where the file has become shorter. */
  readonly read: (position: number, length: number) => Effect.Effect<Uint8Array, DataError>
  /** Fills `target` with the bytes from `position` on. */
  readonly readInto: (target: Uint8Array, position: number) => Effect.Effect<void, DataError>
}

/** Bytes in memory as a file. */
export const fileOfBytes = (name: string, bytes: Uint8Array): DataFile => ({
  name,
  size: bytes.length,
  read: (position, length) => Effect.sync(() => bytes.slice(position, position + length)),
  readInto: (target, position) => Effect.sync(() => target.set(bytes.subarray(position, position + target.length)))
})
