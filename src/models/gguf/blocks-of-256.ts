/**
 * ggml's K formats: 256 values share half-precision scales; groups of them have small integer scales of their own.
 *
 *   Q4_K  d, m, 12 bytes of scales, 128 bytes              y = d·s·q − m·t      8 groups of 32; s, t of 6 bits each
 *   Q5_K  d, m, 12 bytes of scales, 32 bytes of fifth bits, 128 bytes           the same
 *   Q6_K  128 bytes, 64 bytes of upper bits, 16 × int8 scales, d                y = d·s·(q − 32)      16 groups of 16
 *
 * In Q4_K and Q5_K bytes 32g…32g+31 hold groups 2g (low halves) and 2g+1 (high halves). All halves are multiples of 2⁻²⁴ below 2¹⁶: the
 * products are exact in float64, so is their difference, and each value is rounded once, as in float32 arithmetic.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
 */
import { type BlockType, halves } from "./block-type.ts"

const SIZE = 256

/** Scale and offset of group g, of 6 bits each, out of 12 bytes: four groups in the lower bits of a byte each, four in what is left. */
const scaleOf = (bytes: Uint8Array, at: number, g: number): number =>
  g < 4 ? bytes[at + g]! & 63 : (bytes[at + g + 4]! & 15) | ((bytes[at + g - 4]! >> 6) << 4)
const offsetOf = (bytes: Uint8Array, at: number, g: number): number =>
  g < 4 ? bytes[at + g + 4]! & 63 : (bytes[at + g + 4]! >> 4) | ((bytes[at + g]! >> 6) << 4)

/** `fifthAt`: byte of the fifth bits; null: there are none. */
const withOffsets = (name: string, size: number, fifthAt: number | null): BlockType => ({
  name,
  elements: SIZE,
  bytes: size,
  decode: (bytes) => {
    const scales = halves(bytes, size, 0)
    const offsets = halves(bytes, size, 2)
    const out = new Float32Array(scales.length * SIZE)
    for (let block = 0; block < scales.length; block++) {
      const start = block * size
      for (let group = 0; group < 8; group++) {
        const d = scales[block]! * scaleOf(bytes, start + 4, group)
        const m = offsets[block]! * offsetOf(bytes, start + 4, group)
        const from = start + size - 128 + (group >> 1) * 32
        const shift = (group & 1) * 4
        const to = block * SIZE + group * 32
        for (let i = 0; i < 32; i++) {
          const fifth = fifthAt === null ? 0 : (bytes[start + fifthAt + i]! >> group) & 1
          out[to + i] = d * (((bytes[from + i]! >> shift) & 15) + fifth * 16) - m
        }
      }
    }
    return out
  }
})

export const q4K = withOffsets("Q4_K", 144, null)
export const q5K = withOffsets("Q5_K", 176, 16)

const SIXTH_BYTES = 210

export const q6K: BlockType = {
  name: "Q6_K",
  elements: SIZE,
  bytes: SIXTH_BYTES,
  decode: (bytes) => {
    const scales = halves(bytes, SIXTH_BYTES, 208)
    const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    const out = new Float32Array(scales.length * SIZE)
    for (let block = 0; block < scales.length; block++) {
      const start = block * SIXTH_BYTES
      // runs of 32: four in each half, from two runs of bytes, whose low halves come first
      for (let run = 0; run < 8; run++) {
        const half = run >> 2
        const low = start + half * 64 + (run & 1) * 32
        const high = start + 128 + half * 32
        const shift = ((run >> 1) & 1) * 4
        const to = block * SIZE + run * 32
        for (let i = 0; i < 32; i++) {
          const d = scales[block]! * signed[start + 192 + run * 2 + (i >> 4)]!
          const upper = (bytes[high + i]! >> ((run & 3) * 2)) & 3
          out[to + i] = d * (((bytes[low + i]! >> shift) & 15) + upper * 16 - 32)
        }
      }
    }
    return out
  }
}
