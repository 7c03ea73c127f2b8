/**
 * Text files as UTF-8, which records are cut from: a file in another encoding is converted once, like a compressed one.
 *
 *   byte order mark          UTF-8, UTF-16 LE or UTF-16 BE
 *   none, and valid UTF-8    UTF-8
 *   none, and anything else  Windows-1252 if a plan's `data.encoding` is "latin1"; otherwise its rows are rejected
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Dialect } from "../../schemas/index.ts"
import { cut } from "../boundary/index.ts"
import type { Broken } from "./columns.ts"
import { type DataError, dataError } from "./data-error.ts"
import type { DataFile } from "./file.ts"
import type { Position, RawRecord } from "./records.ts"

/** Dialect of files to open, if specified: a plan sets it for its own files (`openSplitFiles`). Default: empty. */
export const DataDialect = Context.Reference<Dialect>("tfjs-lora-pro/DataDialect", { defaultValue: () => ({}) })

/** A UTF-8 file, and the start of its text. */
export interface TextFile {
  readonly file: DataFile
  readonly from: Position
  /** whether it began with a byte order mark, or was not UTF-8: programs that open it expect a mark in UTF-8 files */
  readonly marked: boolean
}

// most files need none of it
const recoding = Effect.promise(() => import("./recoded.ts"))

export const openText = (file: DataFile): Effect.Effect<TextFile, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const { encoding } = yield* DataDialect
    const head = yield* file.read(0, Math.min(8, file.size))
    const text = (decodedFile: DataFile, mark: number, marked = true): TextFile => ({
      file: decodedFile,
      from: { offset: mark, line: 1 },
      marked
    })
    if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return text(file, 3)
    if (head[0] === 0xff && head[1] === 0xfe) return text(yield* (yield* recoding).fromUtf16(file, "utf-16le"), 0)
    if (head[0] === 0xfe && head[1] === 0xff) return text(yield* (yield* recoding).fromUtf16(file, "utf-16be"), 0)
    if (looksLikeUtf16(head)) {
      return yield* dataError(file.name, "looks like UTF-16 without a byte order mark; save it with one, or as UTF-8")
    }
    if (encoding !== "latin1") return text(file, 0, false)
    const { isUtf8, fromWindows1252 } = yield* recoding
    return (yield* isUtf8(file)) ? text(file, 0, false) : text(yield* fromWindows1252(file), 0)
  })

/** In ASCII text encoded as UTF-16, every other byte is 0; texts do not contain such characters. */
const looksLikeUtf16 = (head: Uint8Array): boolean => {
  const zeros = (from: number) => head.filter((byte, i) => i % 2 === from && byte === 0).length
  return head.length === 8 && Math.max(zeros(0), zeros(1)) === 4
}

/** Returns the first word with a non-ASCII letter in some bytes, decoded as Windows-1252. */
export const wordIn = (bytes: Uint8Array): string => {
  const first = bytes.findIndex((byte) => byte >= 0x80)
  const around = new TextDecoder("windows-1252").decode(bytes.subarray(Math.max(0, first - 20), first + 20))
  const [word = ""] = /[^\s"',;|]*[^\0-\x7f][^\s"',;|]*/.exec(around) ?? []
  return cut(word)
}

/** Returns the message for bytes that are not UTF-8: their text in the most likely encoding, and the field that sets it. */
export const notUtf8Bytes = (bytes: Uint8Array): string =>
  `not valid UTF-8; as Windows-1252 it reads "${wordIn(bytes)}": if that is right, set data.encoding to "latin1" (of suggest: --encoding); else save the file as UTF-8`

export const notUtf8 = ({ bytes }: RawRecord): Broken => ({ broken: notUtf8Bytes(bytes) })
