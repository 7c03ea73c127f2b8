/**
 * A file that is read as a whole, with a bound: configs, tokenizers, plans. What it is and how large it is are asked before it
 * is opened, so that a pipe does not block, a device does not stream for ever, and a wrong file of 50 GB is a sentence.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { platformReason } from "./platform-reason.ts"

export class TextFileError extends Schema.TaggedError<TextFileError>()("TextFileError", {
  file: Schema.String,
  /** the end of a sentence that begins with the file's name */
  reason: Schema.String,
  /** there is no such file */
  missing: Schema.Boolean
}) {
  override get message() {
    return `${this.file}: ${this.reason}`
  }
}

/** The largest tokenizer.json in use (a vocabulary of 256,000 with its merges) has about half as many bytes. */
export const largestTextFile = 64 * 2 ** 20

/** Reads a regular file of at most `largest` bytes as UTF-8, without a byte order mark. */
export const readTextFile = (
  file: string,
  largest: number = largestTextFile
): Effect.Effect<string, TextFileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fail = (reason: string) => new TextFileError({ file, reason, missing: false })
    const fs = yield* FileSystem.FileSystem
    const { type, size } = yield* fs.stat(file)
    if (type !== "File") return yield* fail(`cannot be read: it is ${kinds[type] ?? "not a regular file"}`)
    if (size > largest) {
      return yield* fail(
        `is too large: ${size.toLocaleString("en")} bytes, at most ${largest.toLocaleString("en")} are read`
      )
    }
    const handle = yield* fs.open(file)
    const bytes = yield* readExactly(handle, 0, Number(size))
    return yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: () => fail("is not valid UTF-8")
    })
  }).pipe(
    Effect.scoped,
    Effect.catchTag("PlatformError", (error) => Effect.fail(platformFailure(file, error)))
  )

/** Reads `length` bytes at `position`, in as many reads as the system needs; short only at the end of the file. */
export const readExactly = (
  handle: FileSystem.File,
  position: number,
  length: number
): Effect.Effect<Uint8Array<ArrayBuffer>, PlatformError> =>
  Effect.gen(function* () {
    const bytes = new Uint8Array(length)
    let filled = 0
    while (filled < length) {
      // a single read is limited to 2 GiB on some systems
      const part = bytes.subarray(filled, Math.min(length, filled + 2 ** 30))
      const count = Number(yield* handle.read(part, { position: BigInt(position + filled) }))
      if (count === 0) break
      filled += count
    }
    return filled === length ? bytes : bytes.slice(0, filled)
  })

const kinds: { readonly [type: string]: string | undefined } = { Directory: "a folder", FIFO: "a pipe" }

const platformFailure = (file: string, error: PlatformError) =>
  error.reason._tag === "NotFound"
    ? new TextFileError({ file, reason: "no such file", missing: true })
    : new TextFileError({ file, reason: `cannot be read: ${platformReason(error)}`, missing: false })
