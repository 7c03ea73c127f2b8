/**
 * What a token adds to a text, as bytes of UTF-8: a token may be a part of a character, which no decoding of it alone shows.
 *
 *   ByteLevel            each letter of a token is a byte, by GPT-2's table
 *   Metaspace, Replace   "▁" is a space; with ByteFallback <0x0A> is a byte
 *   others               what a text is longer by
 */
import { isRecord } from "../../boundary/index.ts"
import type { Fields } from "../tokenizer-json.ts"

interface Library {
  readonly id_to_token: (id: number) => string | undefined
  readonly decode: (ids: Array<number>) => string
  readonly encode: (text: string) => { readonly ids: ReadonlyArray<number> }
}

/** Bytes that GPT-2 writes as the character of the same number: those that are visible in Latin-1. */
const visible = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)

/** GPT-2's characters for bytes, in the bytes' order: the others are those from U+0100 on, in ascending order. */
export const letters: ReadonlyMap<string, number> = new Map(
  Array.from({ length: 256 }, (_, byte) => {
    const hidden = Array.from({ length: byte }, (_, i) => i).filter((i) => !visible(i)).length
    return [String.fromCharCode(visible(byte) ? byte : 0x100 + hidden), byte] as const
  })
)

/** The parts of a decoder, of sequences theirs. */
const decoders = (decoder: unknown): ReadonlyArray<Fields> => {
  if (!isRecord(decoder)) return []
  return Array.isArray(decoder["decoders"]) ? decoder["decoders"].flatMap(decoders) : [decoder]
}

/** Returns the bytes that each token writes. `added`: tokens with fixed texts; `special` ones write nothing. */
export const tokenBytes = (
  json: Fields,
  library: Library,
  added: ReadonlyMap<number, string>,
  special: ReadonlySet<number>
): ((id: number) => Uint8Array | null) => {
  const utf8 = new TextEncoder()
  const parts = decoders(json["decoder"])
  const has = (type: string) => parts.some((part) => part["type"] === type)
  const spaces = parts.flatMap(({ type, replacement = "▁", pattern, content }) => {
    if (type === "Metaspace") return [[String(replacement), " "] as const]
    const from = isRecord(pattern) ? pattern["String"] : undefined
    return type === "Replace" && typeof from === "string" && typeof content === "string"
      ? [[from, content] as const]
      : []
  })
  const bytesOf = (() => {
    if (has("ByteLevel")) {
      return (token: string) => {
        const bytes = Array.from(token, (letter) => letters.get(letter))
        return bytes.some((byte) => byte === undefined) ? utf8.encode(token) : Uint8Array.from(bytes as Array<number>)
      }
    }
    if (spaces.length > 0) {
      const fallback = has("ByteFallback")
      return (token: string) => {
        const byte = fallback ? /^<0x([0-9A-F]{2})>$/.exec(token)?.[1] : undefined
        if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16))
        return utf8.encode(spaces.reduce((text, [from, to]) => text.replaceAll(from, to), token))
      }
    }
    return (_: string, id: number) => {
      const before = library.encode("a").ids.slice(-1)
      const text = library.decode([...before])
      return utf8.encode(library.decode([...before, id]).slice(text.length))
    }
  })()
  return (id) => {
    const token = library.id_to_token(id)
    if (token === undefined || special.has(id)) return null
    const addedToken = added.get(id)
    return addedToken === undefined ? bytesOf(token, id) : utf8.encode(addedToken)
  }
}
