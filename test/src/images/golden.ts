/** Files of images and what Pillow and transformers made of them (test/golden/make/images.py). */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"

export const folder = join(import.meta.dir, "..", "..", "golden", "images")

export const file = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(join(folder, name)))

export const json = (name: string) => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"))

export const sha256 = (bytes: Uint8Array | Float32Array): string =>
  createHash("sha256")
    .update(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    .digest("hex")

/** Bytes that look like noise, a quarter of them black or white: `pixel` of the script. */
export const noise = (count: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, index) => {
    let word = Math.imul(index + seed, 2_654_435_761)
    word = Math.imul(word ^ (word >>> 15), 2_246_822_519) >>> 0
    return word % 8 === 0 ? 0 : word % 8 === 1 ? 255 : word >>> 24
  })

/** A PNG chunk, whose sum is not asked for by what is tested with it. */
export const chunk = (type: string, data: Uint8Array | ReadonlyArray<number>): Uint8Array => {
  const bytes = new Uint8Array(12 + data.length)
  new DataView(bytes.buffer).setUint32(0, data.length)
  bytes.set(new TextEncoder().encode(type), 4)
  bytes.set(data, 8)
  return bytes
}

export const joined = (...parts: ReadonlyArray<Uint8Array | ReadonlyArray<number>>): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
