/** Checks whether a text without a byte order mark is UTF-8. */
import * as Effect from "effect/Effect"
import type { DataError } from "./data-error.ts"
import type { DataFile } from "./file.ts"
import { chunkBytes } from "./packed-file.ts"
import { wordIn } from "./text-file.ts"

/** A byte that is not part of a UTF-8 character. */
interface ForeignByte {
  readonly line: number
  /** the word around it, decoded as Windows-1252 */
  readonly word: string
}

// bytes of a line break; numbers of bytes shown before and after the first foreign one
const [newline, excerptBytes] = [10, 20]

/**
 * Finds the first byte that is not UTF-8, in a text that is Windows-1252 rather than damaged UTF-8: fewer of its non-ASCII characters are
 * valid UTF-8 than are not. Reads `most` bytes.
 */
export const foreignByte = (file: DataFile, most: number): Effect.Effect<ForeignByte | undefined, DataError> =>
  Effect.gen(function* () {
    const head = yield* file.read(0, Math.min(2, file.size))
    if (Math.min(...head) >= 0xfe) return undefined // the mark of UTF-16
    let [line, characters, foreign, missing] = [1, 0, 0, 0]
    let first: { readonly line: number; readonly at: number } | undefined
    const size = Math.min(file.size, most)
    const next = (byte: number, at: number): void => {
      const isNext = (byte & 0xc0) === 0x80
      if (isNext && missing > 0) {
        if (--missing === 0) characters++
        return
      }
      const isLeadByte = byte >= 0xc2 && byte <= 0xf4
      // an incomplete character, or one with an invalid first byte
      if (missing > 0 || (byte >= 0x80 && !isLeadByte)) {
        foreign++
        first ??= { line, at }
      }
      missing = !isLeadByte ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
      if (byte === newline) line++
    }
    for (let start = 0; start < size; start += chunkBytes) {
      const bytes = yield* file.read(start, Math.min(chunkBytes, size - start))
      bytes.forEach((byte, i) => next(byte, start + i))
    }
    if (size === file.size) next(newline, size)
    if (first === undefined || foreign < characters) return undefined
    const from = Math.max(0, first.at - excerptBytes)
    return { line: first.line, word: wordIn(yield* file.read(from, Math.min(2 * excerptBytes, file.size - from))) }
  })
