/**
 * One 64-bit number for a text, the same for texts that a reader would call the same: Unicode NFC, every run of white space
 * one space, none at the ends. Case counts.
 *
 * Two multiplicative lanes over UTF-16 units, finished by each other (cyrb53 by bryc, public domain, with all 64 bits kept).
 * Among ten million different texts two collide with probability n²/2⁶⁵ ≈ 3·10⁻⁶. Not against someone who looks for collisions.
 */

/** Hashes in the order of their rows, 8 bytes each. */
export interface TextHashes {
  readonly length: number
  /** two words: the hash of row i is at 2i and 2i + 1 */
  readonly words: Uint32Array
}

export const normalizedText = (text: string): string =>
  text
    .normalize("NFC")
    .replace(/\s{2,}|[^\S ]/g, " ")
    .trim()

/** Writes the two words of a text's hash to `words` at `at`. */
export const hashText = (text: string, words: Uint32Array, at: number): void => {
  const plain = normalizedText(text)
  let [high, low] = [0xdeadbeef, 0x41c6ce57]
  for (let i = 0; i < plain.length; i++) {
    const unit = plain.charCodeAt(i)
    high = Math.imul(high ^ unit, 2654435761)
    low = Math.imul(low ^ unit, 1597334677)
  }
  words[at] = finished(high, low)
  words[at + 1] = finished(low, high)
}

// the finalizer of MurmurHash3, which lets every bit of both lanes reach every bit of the word
const finished = (own: number, other: number): number =>
  Math.imul(own ^ (own >>> 16), 2246822507) ^ Math.imul(other ^ (other >>> 13), 3266489909)

export interface TextHashBuilder {
  readonly add: (text: string) => void
  readonly finish: () => TextHashes
}

export const textHashBuilder = (): TextHashBuilder => {
  let words = new Uint32Array(2048)
  let length = 0
  return {
    add: (text) => {
      if (2 * length === words.length) {
        const larger = new Uint32Array(2 * words.length)
        larger.set(words)
        words = larger
      }
      hashText(text, words, 2 * length)
      length++
    },
    finish: () => ({ length, words })
  }
}
