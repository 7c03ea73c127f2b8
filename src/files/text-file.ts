/**
 * Files that are read whole, with bounds: configs, tokenizers, plans. The type and size of a file are checked before it is
 * opened, so that a pipe does not block, a device does not stream forever, and a wrong file of 50 GB is reported in a sentence.
 *
 * The nesting depth of JSON of unknown origin is limited. A few megabytes of "[" are a value of a million levels, and code that
 * traverses it (a decoder, a printer) needs a stack frame per level. So the depth is counted on the text, before
 * it is parsed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { type LimitName, limit, overLimit, wholeNumber } from "../boundary/index.ts"
import { FileError } from "./atomic-file.ts"
import { platformReason } from "./platform-reason.ts"
import { irregular } from "./regular-file.ts"

export class TextFileError extends Schema.TaggedError<TextFileError>()("TextFileError", {
  file: Schema.String,
  /** the problem, as the end of a sentence that begins with the file's name */
  reason: Schema.String,
  /** whether the file does not exist */
  missing: Schema.Boolean
}) {
  override get message() {
    return `${this.file}: ${this.reason}`
  }
}

/** Reads a regular file as UTF-8, without its byte order mark. `most`: maximum size in bytes, or the limit that sets it. */
export const readTextFile = (
  file: string,
  most: LimitName | number = "text-file-bytes"
): Effect.Effect<string, TextFileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fail = (reason: string) => new TextFileError({ file, reason, missing: false })
    const fs = yield* FileSystem.FileSystem
    const { type, size } = yield* fs.stat(file)
    const other = irregular(type)
    if (other !== undefined) return yield* fail(`cannot be read: ${other}`)
    const [bytes, allowed] =
      typeof most === "number" ? [most, `${wholeNumber(most)} bytes`] : [limit(most), overLimit(most)]
    if (size > bytes) return yield* fail(`is too large: ${wholeNumber(size)} bytes, more than ${allowed}`)
    const handle = yield* fs.open(file)
    const content = yield* readExactly(handle, 0, Number(size))
    return yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(content),
      catch: () => fail("is not valid UTF-8")
    })
  }).pipe(
    Effect.scoped,
    Effect.catchTag("PlatformError", (error) => Effect.fail(platformFailure(file, error)))
  )

/** Reads `length` bytes at `position`, in as many reads as necessary. Returns fewer only at the end of the file. */
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

/** Checks whether a place is a URL instead of a file. */
export const isUrl = (place: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(place)

const platformFailure = (file: string, error: PlatformError) =>
  error.reason._tag === "NotFound"
    ? new TextFileError({ file, reason: "no such file", missing: true })
    : new TextFileError({ file, reason: `cannot be read: ${platformReason(error)}`, missing: false })

const [quote, openBracket, closeBracket, openBrace, closeBrace, colon] = [34, 91, 93, 123, 125, 58]

/** Calls `visit` with each character of a JSON text outside of strings, until it returns true. */
const outsideStrings = (text: string, visit: (unit: number) => boolean): boolean => {
  // strings may be long, such as images in base64: the engine finds their ends faster than a loop
  let slash = -1
  const endOf = (start: number): number => {
    let at = start
    let end = text.indexOf('"', at)
    while (end >= 0) {
      if (slash < at) {
        slash = text.indexOf("\\", at)
        if (slash < 0) slash = text.length
      }
      if (slash > end) return end
      at = slash + 2
      if (end < at) end = text.indexOf('"', at)
    }
    return text.length
  }
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit === quote) at = endOf(at + 1)
    else if (visit(unit)) return true
  }
  return false
}

/** Checks whether objects and lists are nested more than `levels` deep. Counts brackets only, so the text need not be valid JSON. */
export const isDeeperThan = (text: string, levels: number): boolean => {
  let depth = 0
  return outsideStrings(text, (unit) => {
    if (unit === openBracket || unit === openBrace) depth++
    else if (unit === closeBracket || unit === closeBrace) depth--
    return depth > levels
  })
}

/** Checks whether an object in `text` has a duplicate key. `value`: the result of parsing it, which keeps the last of the duplicates. */
export const repeatsKey = (text: string, value: unknown): boolean => {
  let keys = 0
  outsideStrings(text, (unit) => {
    if (unit === colon) keys++
    return false
  })
  return keys !== keysIn(value)
}

const keysIn = (value: unknown): number => {
  if (typeof value !== "object" || value === null) return 0
  let keys = Array.isArray(value) ? 0 : Object.keys(value).length
  for (const inner of Object.values(value)) keys += keysIn(inner)
  return keys
}

/** A value, or the problem as the end of a sentence that begins with the file's name. */
export type ParsedJson = { readonly value: unknown } | { readonly problem: string }

export const parseBoundedJson = (text: string): ParsedJson => {
  if (isDeeperThan(text, limit("json-depth"))) return { problem: `nests deeper than ${overLimit("json-depth")}` }
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return { problem: "is not JSON" } // engines word the reason differently, and some give no position
  }
}

/** Converts the error to that of reading a file. */
export const asFileError = ({ file, reason }: TextFileError): FileError =>
  new FileError({ action: "read", file, reason: reason.replace(/^cannot be read: /, "") })

/** Reads the value of a JSON file: UTF-8, of bounded size and depth. */
export const readJsonFile = (file: string): Effect.Effect<unknown, TextFileError, FileSystem.FileSystem> =>
  Effect.flatMap(readTextFile(file), (text) => {
    const parsed = parseBoundedJson(text)
    return "problem" in parsed
      ? Effect.fail(new TextFileError({ file, reason: parsed.problem, missing: false }))
      : Effect.succeed(parsed.value)
  })
