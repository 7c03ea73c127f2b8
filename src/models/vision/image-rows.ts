/** Batches of images row by row, for what frozen blocks make of them. */
import type { Sequences } from "../model.ts"
import type { ImageRows } from "./image-model.ts"

/** Positions from which on an image's hidden states do not depend on its company (`../sequences.ts`). */
const LEAST = 4

/** Returns the rows of a batch of images: all of one length, without padding. */
export const imageSequences =
  (positions: number) =>
  ({ size, pixels, labels }: ImageRows): Sequences | undefined => {
    if (positions < LEAST) return undefined
    const perImage = pixels.length / size
    const imageAt = (row: number) => pixels.subarray(row * perImage, (row + 1) * perImage)
    return {
      length: positions,
      rows: Array.from({ length: size }, (_, row) => ({ key: digestOf(imageAt(row)), tokens: positions })),
      some: (picked) => {
        const part = new Float32Array(picked.length * perImage)
        for (const [i, row] of picked.entries()) part.set(imageAt(row), i * perImage)
        const batch: ImageRows & Pick<Sequences, "length"> = {
          size: picked.length,
          tokens: picked.length,
          length: positions,
          pixels: part,
          labels: Int32Array.from(picked, (row) => labels[row]!)
        }
        return batch
      }
    }
  }

const rotated = (x: number, by: number): number => (x << by) | (x >>> (32 - by))

/** Multipliers of MurmurHash3 (Appleby, public domain), x86_128: of a word, and of what it becomes. */
const MULTIPLIERS = [
  [0x239b961b, 0xab0e9789],
  [0xab0e9789, 0x38b34ae5],
  [0x38b34ae5, 0xa1e38b93],
  [0xa1e38b93, 0x239b961b]
] as const

/**
 * 128 bits of an image's bits, in place of the 600 kB that they are: four hashes of 32 bits, each over all words. No one gains
 * by two images of one hash; by accident two of a million collide once in 10²⁶ runs.
 */
const digestOf = (pixels: Float32Array): string => {
  const words = new Int32Array(pixels.buffer, pixels.byteOffset, pixels.length)
  const hashes = MULTIPLIERS.map(([first, second], lane) => {
    let hash = lane
    for (let i = 0; i < words.length; i++) {
      const mixed = Math.imul(rotated(Math.imul(words[i]!, first), 15), second)
      hash = (Math.imul(rotated(hash ^ mixed, 13), 5) + 0xe6546b64) | 0
    }
    // every bit of the result depends on every bit of the state
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return (hash ^ (hash >>> 16)) >>> 0
  })
  return hashes.join()
}
