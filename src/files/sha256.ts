/**
 * SHA-256, piece by piece. Bun, Deno and Node have it in node:crypto. A page has it for whole buffers alone (crypto.subtle), and a file need
 * not fit into memory: there it is computed here.
 *
 * @see FIPS 180-4, section 6.2
 */
import { ownSystem } from "./own-process.ts"

export interface Sha256 {
  /** A text counts as its UTF-8. */
  readonly update: (data: Uint8Array | string) => Sha256
  /** Ends it. */
  readonly digest: (form: "hex" | "base64") => string
}

export const sha256 = (): Sha256 =>
  // not imported: a bundle for a browser holds nothing of Node
  ownSystem?.getBuiltinModule("node:crypto").createHash("sha256") ?? computedSha256()

/** Bytes that a page hashes as a whole: its engine does that twenty times as fast as code that is written here. */
const WHOLE = 2 ** 28

/** Whether `wholeSha256` is how to hash so many bytes here. */
export const hashesWhole = (bytes: number): boolean =>
  ownSystem === undefined && bytes <= WHOLE && globalThis.crypto?.subtle !== undefined

/** Of all bytes at once, in lower-case hexadecimal. */
export const wholeSha256 = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  hexadecimal(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)))

const hexadecimal = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")

/** The first 64 primes, of whose roots the constants are made. */
const primes: ReadonlyArray<number> = Array.from({ length: 312 }, (_, n) => n).filter(
  (n) => n > 1 && !Array.from({ length: n }, (_, d) => d).some((d) => d > 1 && n % d === 0)
)
/** The first 32 bits of the part of √p (or ∛p) after the point; exact: the roots are below 18, and a double has 53 bits. */
const bitsOf = (root: (p: number) => number) => Int32Array.from(primes, (p) => (root(p) % 1) * 2 ** 32)
const K = bitsOf(Math.cbrt)
const START = bitsOf(Math.sqrt).slice(0, 8)

const BLOCK = 64

/** Works in any engine of JavaScript. */
export const computedSha256 = (): Sha256 => {
  const state = START.slice()
  const words = new Int32Array(64)
  const rest = new Uint8Array(BLOCK)
  let held = 0
  let length = 0

  const block = (bytes: Uint8Array, at: number): void => {
    for (let t = 0; t < 16; t++) {
      const i = at + 4 * t
      words[t] = (bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!
    }
    for (let t = 16; t < 64; t++) {
      const [x, y] = [words[t - 15]!, words[t - 2]!]
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
      words[t] = words[t - 16]! + s0 + words[t - 7]! + s1
    }
    let [a, b, c, d] = [state[0]!, state[1]!, state[2]!, state[3]!]
    let [e, f, g, h] = [state[4]!, state[5]!, state[6]!, state[7]!]
    for (let t = 0; t < 64; t++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
      const first = (h + s1 + ((e & f) ^ (~e & g)) + K[t]! + words[t]!) | 0
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
      const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + first) | 0
      d = c
      c = b
      b = a
      a = (first + second) | 0
    }
    ;[a, b, c, d, e, f, g, h].forEach((value, i) => {
      state[i] = state[i]! + value
    })
  }

  const take = (bytes: Uint8Array): void => {
    length += bytes.length
    let at = 0
    if (held > 0) {
      at = Math.min(BLOCK - held, bytes.length)
      rest.set(bytes.subarray(0, at), held)
      held += at
      if (held < BLOCK) return
      block(rest, 0)
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) block(bytes, at)
    rest.set(bytes.subarray(at))
    held = bytes.length - at
  }

  const own: Sha256 = {
    update: (data) => {
      take(typeof data === "string" ? new TextEncoder().encode(data) : data)
      return own
    },
    digest: (form) => {
      const bits = length * 8
      // a one, zeros, and the number of bits in the last eight bytes
      const end = new Uint8Array((held < 56 ? BLOCK : 2 * BLOCK) - held)
      const view = new DataView(end.buffer)
      end[0] = 0x80
      view.setUint32(end.length - 8, Math.floor(bits / 2 ** 32))
      view.setUint32(end.length - 4, bits >>> 0)
      take(end)
      const digest = new DataView(new ArrayBuffer(32))
      state.forEach((word, i) => void digest.setInt32(4 * i, word))
      const bytes = new Uint8Array(digest.buffer)
      return form === "hex" ? hexadecimal(bytes) : btoa(String.fromCharCode(...bytes))
    }
  }
  return own
}
