/**
 * ggml's block formats but for its K formats: 32 values share a half-precision scale d (and, in the _1 formats, an offset m).
 *
 *   Q8_0  d, 32 × int8                     y = d·q
 *   Q4_0  d, 16 bytes                      y = d·(q − 8)
 *   Q4_1  d, m, 16 bytes                   y = d·q + m
 *   Q5_0  d, 32 fifth bits, 16 bytes       y = d·(q − 16)
 *   Q5_1  d, m, 32 fifth bits, 16 bytes    y = d·q + m
 *   IQ4_NL  d, 16 bytes                    y = d·v[q], v: sixteen values that lie closer together around zero
 *   IQ4_XS  d, upper bits of 8 scales, 4 bytes of lower bits, 128 bytes       y = d·(s − 32)·v[q]    8 groups of 32; s of 6 bits
 *
 * The low halves of the 16 bytes are values 0…15, the high halves 16…31. d·q is exact in float32 (11 bits times at most 8), d·q + m in
 * float64: each value is rounded once, as in float32 arithmetic.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
 */
import { fromFloat16, type PackedHostMatrix, toFloat16 } from "../../numbers/index.ts"

/** One of ggml's storage types: values in blocks, each of a fixed number of bytes. */
export interface BlockType {
  readonly name: string
  /** values per block */
  readonly elements: number
  readonly bytes: number
  /** Converts whole blocks to float32. */
  readonly decode: (bytes: Uint8Array<ArrayBuffer>) => Float32Array
  /** Converts whole blocks to a packing's words, for types with its block format; null if the packing cannot represent one of the blocks. */
  readonly packed?: (bytes: Uint8Array<ArrayBuffer>) => PackedBlocks | null
}

/** Words of packed blocks. */
export type PackedBlocks = Pick<PackedHostMatrix, "packing" | "words">

/**
 * Blocks as words of a packing: of each, the bits of d and m and the bytes after them. Null where a half is not finite: such
 * a number is reported by its place, as float32.
 */
const blocksOf = (
  packing: "q4" | "q8",
  bytes: Uint8Array,
  {
    size,
    from,
    d,
    m
  }: { readonly size: number; readonly from: number; readonly d: Uint16Array; readonly m: Uint16Array | null }
): PackedBlocks | null => {
  if ([d, m].some((bits) => bits?.some((half) => (half & 0x7c00) === 0x7c00))) return null
  const packedBytes = 4 + size - from
  const words = new Int32Array((d.length * packedBytes) / 4)
  const to = new Uint8Array(words.buffer)
  for (let block = 0; block < d.length; block++) {
    words[(block * packedBytes) / 4] = d[block]! | ((m?.[block] ?? 0) << 16)
    to.set(bytes.subarray(block * size + from, (block + 1) * size), block * packedBytes + 4)
  }
  return { packing, words }
}

/** Returns the half-precision value at byte `at` of every block of `size` bytes. */
export const halves = (bytes: Uint8Array, size: number, at: number): Float32Array =>
  fromFloat16(bitsOfHalves(bytes, size, at))

const bitsOfHalves = (bytes: Uint8Array, size: number, at: number): Uint16Array => {
  const bits = new Uint16Array(bytes.length / size)
  for (let block = 0; block < bits.length; block++) {
    const place = block * size + at
    bits[block] = bytes[place]! | (bytes[place + 1]! << 8)
  }
  return bits
}

const SIZE = 32

/** Q8_0. */
export const q8Sub0: BlockType = {
  name: "Q8_0",
  elements: SIZE,
  bytes: 34,
  decode: (bytes) => {
    const scales = halves(bytes, 34, 0)
    const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    const out = new Float32Array(scales.length * SIZE)
    for (let block = 0; block < scales.length; block++) {
      const d = scales[block]!
      const from = block * 34 + 2
      for (let i = 0; i < SIZE; i++) out[block * SIZE + i] = d * signed[from + i]!
    }
    return out
  },
  packed: (bytes) => blocksOf("q8", bytes, { size: 34, from: 2, d: bitsOfHalves(bytes, 34, 0), m: null })
}

interface Layout {
  readonly name: string
  /** of a block */
  readonly bytes: number
  /** byte of the offset m; null: none */
  readonly offsetAt: number | null
  /** byte of the fifth bits; null: none */
  readonly fifthAt: number | null
  /** what is taken from every q */
  readonly zero: number
}

const small = ({ name, bytes: size, offsetAt, fifthAt, zero }: Layout): BlockType => ({
  name,
  elements: SIZE,
  bytes: size,
  decode: (bytes) => {
    const scales = halves(bytes, size, 0)
    const offsets = offsetAt === null ? undefined : halves(bytes, size, offsetAt)
    const out = new Float32Array(scales.length * SIZE)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let block = 0; block < scales.length; block++) {
      const d = scales[block]!
      const m = offsets === undefined ? 0 : offsets[block]!
      const fifth = fifthAt === null ? 0 : view.getUint32(block * size + fifthAt, true)
      const from = (block + 1) * size - 16
      const to = block * SIZE
      for (let i = 0; i < 16; i++) {
        const pair = bytes[from + i]!
        out[to + i] = d * ((pair & 15) + ((fifth >>> i) & 1) * 16 - zero) + m
        out[to + i + 16] = d * ((pair >> 4) + ((fifth >>> (i + 16)) & 1) * 16 - zero) + m
      }
    }
    return out
  }
})

/** Q4_0. */
export const q4Sub0: BlockType = {
  ...small({ name: "Q4_0", bytes: 18, offsetAt: null, fifthAt: null, zero: 8 }),
  // d·(q − 8) = d·q + m with m = −8·d, all of it exact
  packed: (bytes) => {
    const m = new Uint16Array(bytes.length / 18)
    toFloat16(
      halves(bytes, 18, 0).map((d) => -8 * d),
      m
    )
    return blocksOf("q4", bytes, { size: 18, from: 2, d: bitsOfHalves(bytes, 18, 0), m })
  }
}

/** Q4_1. */
export const q4Sub1: BlockType = {
  ...small({ name: "Q4_1", bytes: 20, offsetAt: 2, fifthAt: null, zero: 0 }),
  packed: (bytes) =>
    blocksOf("q4", bytes, { size: 20, from: 4, d: bitsOfHalves(bytes, 20, 0), m: bitsOfHalves(bytes, 20, 2) })
}

/** Q5_0. */
export const q5Sub0 = small({ name: "Q5_0", bytes: 22, offsetAt: null, fifthAt: 2, zero: 16 })
/** Q5_1. */
export const q5Sub1 = small({ name: "Q5_1", bytes: 24, offsetAt: 2, fifthAt: 4, zero: 0 })

/** kvalues_iq4nl of ggml-common.h */
const steps = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const

/** Writes d·v[q] of the 16 bytes at `from` as 32 values at `to`. */
const spread = (bytes: Uint8Array, from: number, d: number, out: Float32Array, to: number): void => {
  for (let i = 0; i < 16; i++) {
    const pair = bytes[from + i]!
    out[to + i] = d * steps[pair & 15]!
    out[to + i + 16] = d * steps[pair >> 4]!
  }
}

/** IQ4_NL. */
export const iq4Nl: BlockType = {
  name: "IQ4_NL",
  elements: 32,
  bytes: 18,
  decode: (bytes) => {
    const scales = halves(bytes, 18, 0)
    const out = new Float32Array(scales.length * 32)
    for (let block = 0; block < scales.length; block++) spread(bytes, block * 18 + 2, scales[block]!, out, block * 32)
    return out
  }
}

const XS_BYTES = 136

/** IQ4_XS. */
export const iq4Xs: BlockType = {
  name: "IQ4_XS",
  elements: 256,
  bytes: XS_BYTES,
  decode: (bytes) => {
    const scales = halves(bytes, XS_BYTES, 0)
    const out = new Float32Array(scales.length * 256)
    for (let block = 0; block < scales.length; block++) {
      const start = block * XS_BYTES
      const upper = bytes[start + 2]! | (bytes[start + 3]! << 8)
      for (let group = 0; group < 8; group++) {
        const lower = (bytes[start + 4 + (group >> 1)]! >> ((group & 1) * 4)) & 15
        const d = scales[block]! * ((lower | (((upper >> (group * 2)) & 3) << 4)) - 32)
        spread(bytes, start + 8 + group * 16, d, out, block * 256 + group * 32)
      }
    }
    return out
  }
}
