/** Converts text files of other encodings to UTF-8. Loaded for the first one. */
import * as Effect from "effect/Effect"
import { messageOf } from "../boundary/index.ts"
import type { DataFile } from "./file.ts"
import { chunksOf, spilled } from "./packed-file.ts"

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

export const fromUtf16 = (file: DataFile, encoding: "utf-16le" | "utf-16be") =>
  recoded(file, encoding.toUpperCase(), () => {
    const decoder = new TextDecoder(encoding, { fatal: true })
    const encoder = new TextEncoder()
    return (bytes) => encoder.encode(decoder.decode(bytes, { stream: bytes !== undefined }))
  })

/** Checks whether a whole file is UTF-8. */
export const isUtf8 = (file: DataFile): Effect.Effect<boolean> =>
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

// Windows-1252 characters in the place of Latin-1's control characters (encoding.spec.whatwg.org); engines' own decoders differ
const from80 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

/** The UTF-8 encoding of each byte's character. */
const utf8Of: ReadonlyArray<Uint8Array> = Array.from({ length: 256 }, (_, byte) =>
  new TextEncoder().encode(from80[byte - 0x80] ?? String.fromCharCode(byte))
)

/** Converts Windows-1252 to UTF-8. */
export const asUtf8 = (bytes: Uint8Array): Uint8Array => {
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

export const fromWindows1252 = (file: DataFile) =>
  recoded(
    file,
    "Windows-1252",
    () =>
      (bytes = new Uint8Array(0)) =>
        asUtf8(bytes)
  )
