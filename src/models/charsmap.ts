/**
 * SentencePiece's table of replacements, `precompiled_charsmap`, as the Rust library (spm_precompiled) reads it:
 *
 *   uint32 size   bytes of the trie
 *   uint32[]      the trie of the texts that are replaced, a double array (Darts)
 *   bytes         what they are replaced by, each in UTF-8 up to a zero, at the place that is the trie's value
 *
 * A grapheme cluster of fewer than six bytes is replaced as a whole by what stands for the shortest text that it begins with, so that é as
 * two characters after ﬁ may lose a mark; any other character by character.
 */
import { pattern } from "../patterns/index.ts"

/** Undefined: nothing is there to replace it by. */
type Replacement = (part: string) => string | undefined

const bytesIn = (table: string): Uint8Array<ArrayBuffer> => {
  try {
    const letters = atob(table)
    const bytes = new Uint8Array(letters.length)
    for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i)
    return bytes
  } catch {
    return new Uint8Array()
  }
}

const replacementsOf = (table: string): Replacement => {
  const bytes = bytesIn(table)
  const size = bytes.length < 8 ? 0 : new DataView(bytes.buffer).getUint32(0, true)
  if (size === 0 || size % 4 !== 0 || size + 4 > bytes.length) {
    throw new Error("precompiled_charsmap is damaged; expected SentencePiece's table in base64")
  }
  const units = new Uint32Array(bytes.buffer, 4, size / 4)
  const texts = bytes.subarray(4 + size)
  const [encoder, decoder] = [new TextEncoder(), new TextDecoder()]
  const offsetOf = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6)
  const placeOf = (part: string): number | undefined => {
    let place = offsetOf(units[0] ?? 0)
    for (const byte of encoder.encode(part)) {
      place ^= byte
      const unit = units[place]
      if (byte === 0 || unit === undefined || (unit & 0x800000ff) !== byte) return undefined
      place ^= offsetOf(unit)
      if ((unit & 0x100) !== 0) return (units[place] ?? 0) & 0x7fffffff
    }
    return undefined
  }
  return (part) => {
    const start = placeOf(part)
    if (start === undefined) return undefined
    const end = texts.indexOf(0, start)
    return decoder.decode(texts.subarray(start, end < 0 ? texts.length : end))
  }
}

const bytesOf = (character: number): number =>
  character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4

const isShort = (cluster: string): boolean =>
  cluster.length < 6 && [...cluster].reduce((sum, character) => sum + bytesOf(character.codePointAt(0)!), 0) < 6

const control = "(?![\\p{Extending}\\p{Prepended}])\\p{Controlling}"
const clusters = `\\r\\n|${control}|\\p{Prepended}*(?!${control})[\\s\\S]\\p{Extending}*`
/** Those of them that are not a character of ASCII alone. */
const otherClusters = `\\r\\n|[ -~]\\p{Extending}+|(?![ -~])(?:${clusters})`
const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))

/** Returns the clusters that a table replaces, and the function that replaces one. Throws if the table is damaged. */
export const charsmap = (
  table: string
): { readonly clusters: RegExp; readonly replaced: (cluster: string) => string } => {
  const replacements = replacementsOf(table)
  const known = new Map<string, string>()
  return {
    clusters: pattern(printable.some((letter) => replacements(letter) !== undefined) ? clusters : otherClusters),
    replaced: (cluster) => {
      const before = known.get(cluster)
      if (before !== undefined) return before
      const whole = isShort(cluster) ? replacements(cluster) : undefined
      const made = whole ?? Array.from(cluster, (character) => replacements(character) ?? character).join("")
      if (known.size < mostKnown && cluster.length + made.length < 16) known.set(cluster, made)
      return made
    }
  }
}

const mostKnown = 4_096
