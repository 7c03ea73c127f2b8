/**
 * Text files as UTF-8, which is what records are cut from: a file in another encoding is written out once, as a packed one is.
 *
 *   a byte order mark        says UTF-8, UTF-16 LE or UTF-16 BE
 *   none, and valid UTF-8    UTF-8
 *   none, and anything else  Windows-1252 where a plan's `data.encoding` is "latin1"; else its rows are refused
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Dialect } from "../../schemas/index.ts"
import { cut, messageOf } from "../boundary/index.ts"
import type { Broken } from "./columns.ts"
import { type DataError, dataError } from "./data-error.ts"
import type { DataFile } from "./file.ts"
import { chunksOf, spilled } from "./packed-file.ts"
import type { Position, RawRecord } from "./records.ts"

/** How files that are opened are written, as far as someone said it: a plan does for its own (`openSplitFiles`). */
export const DataDialect = Context.Reference<Dialect>("tfjs-lora-pro/DataDialect", { defaultValue: () => ({}) })

/** A file that is UTF-8, and where its text begins. */
export interface TextFile {
  readonly file: DataFile
  readonly from: Position
  /** it began with a byte order mark, or was not UTF-8: programs that open it expect a mark where it is UTF-8 */
  readonly marked: boolean
}

export const openText = (file: DataFile): Effect.Effect<TextFile, DataError, Scope.Scope> =>
  Effect.gen(function* () {
    const { encoding } = yield* DataDialect
    const head = yield* file.read(0, Math.min(8, file.size))
    const text = (own: DataFile, mark: number, marked = true): TextFile => ({
      file: own,
      from: { offset: mark, line: 1 },
      marked
    })
    if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return text(file, 3)
    if (head[0] === 0xff && head[1] === 0xfe) return text(yield* fromUtf16(file, "utf-16le"), 0)
    if (head[0] === 0xfe && head[1] === 0xff) return text(yield* fromUtf16(file, "utf-16be"), 0)
    if (looksLikeUtf16(head)) {
      return yield* dataError(file.name, "looks like UTF-16 without a byte order mark; save it with one, or as UTF-8")
    }
    if (encoding !== "latin1" || (yield* isUtf8(file))) return text(file, 0, false)
    return text(yield* fromWindows1252(file), 0)
  })

/** Every other byte of ASCII in UTF-16 is 0; no text has such characters. */
const looksLikeUtf16 = (head: Uint8Array): boolean => {
  const zeros = (from: number) => head.filter((byte, i) => i % 2 === from && byte === 0).length
  return head.length === 8 && Math.max(zeros(0), zeros(1)) === 4
}

const recoded = (file: DataFile, encoding: string, decoder: () => (bytes: Uint8Array | undefined) => Uint8Array) =>
  spilled(
    file,
    async (write, signal) => {
      const decode = decoder()
      const reader = chunksOf(file).getReader()
      for (let next = await reader.read(); ; next = await reader.read()) {
        signal.throwIfAborted()
        await write(decode(next.value))
        if (next.done) return
      }
    },
    (cause) => `cannot be read as ${encoding}: ${messageOf(cause)}`
  )

const fromUtf16 = (file: DataFile, encoding: "utf-16le" | "utf-16be") =>
  recoded(file, encoding.toUpperCase(), () => {
    const decoder = new TextDecoder(encoding, { fatal: true })
    const encoder = new TextEncoder()
    return (bytes) => encoder.encode(decoder.decode(bytes, { stream: bytes !== undefined }))
  })

const isUtf8 = (file: DataFile): Effect.Effect<boolean> =>
  Effect.promise(async () => {
    const decoder = new TextDecoder("utf-8", { fatal: true })
    const reader = chunksOf(file).getReader()
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read())
        decoder.decode(next.value, { stream: true })
      decoder.decode()
      return true
    } catch {
      return false
    }
  })

// what Windows-1252 has where Latin-1 has control characters (encoding.spec.whatwg.org); engines differ in their own decoders of it
const from80 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

/** A byte's character in UTF-8. */
const utf8Of: ReadonlyArray<Uint8Array> = Array.from({ length: 256 }, (_, byte) =>
  new TextEncoder().encode(from80[byte - 0x80] ?? String.fromCharCode(byte))
)

const asUtf8 = (bytes: Uint8Array): Uint8Array => {
  const target = new Uint8Array(3 * bytes.length)
  let at = 0
  for (const byte of bytes) {
    if (byte < 0x80) target[at++] = byte
    else {
      target.set(utf8Of[byte]!, at)
      at += utf8Of[byte]!.length
    }
  }
  return target.subarray(0, at)
}

const fromWindows1252 = (file: DataFile) =>
  recoded(
    file,
    "Windows-1252",
    () =>
      (bytes = new Uint8Array(0)) =>
        asUtf8(bytes)
  )

/** What is wrong with a record that is not UTF-8: how it would read in the encoding that such files mostly have, and what says so. */
export const notUtf8 = ({ bytes }: RawRecord): Broken => {
  const first = bytes.findIndex((byte) => byte >= 0x80)
  const around = new TextDecoder().decode(asUtf8(bytes.subarray(Math.max(0, first - 20), first + 20)))
  const [word = ""] = /[^\s"',;|]*[^\0-\x7f][^\s"',;|]*/.exec(around) ?? []
  return {
    broken: `not valid UTF-8; as Windows-1252 it reads "${cut(word)}": if that is right, set data.encoding to "latin1"; else save the file as UTF-8`
  }
}
