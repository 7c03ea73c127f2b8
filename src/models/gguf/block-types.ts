/**
 * The types of GGUF tensors that are read, by their numbers in ggml, with the K formats.
 *
 * ggml's K formats: 256 values share half-precision scales; groups of them have small integer scales of their own.
 *
 *   Q2_K  16 bytes of scales, 64 bytes, d, m               y = d·s·q − m·t      16 groups of 16; s, t of 4 bits each
 *   Q3_K  32 bytes of third bits, 64 bytes, 12 of scales, d                    y = d·(s − 32)·(q − 4)      16 groups of 16; s of 6 bits
 *   Q4_K  d, m, 12 bytes of scales, 128 bytes              y = d·s·q − m·t      8 groups of 32; s, t of 6 bits each
 *   Q5_K  d, m, 12 bytes of scales, 32 bytes of fifth bits, 128 bytes           the same
 *   Q6_K  128 bytes, 64 bytes of upper bits, 16 × int8 scales, d                y = d·s·(q − 32)      16 groups of 16
 *
 * In Q4_K and Q5_K bytes 32g…32g+31 hold groups 2g (low halves) and 2g+1 (high halves); in Q2_K and Q3_K 32 bytes hold eight groups, two
 * for each pair of bits. All halves are multiples of 2⁻²⁴ below 2¹⁶: the products are exact in float64, so is their difference, and each
 * value is rounded once, as in float32 arithmetic.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
 */
import { fromBfloat16, fromFloat16 } from "../../numbers/index.ts"
import { type BlockType, halves, iq4Nl, iq4Xs, q4Sub0, q4Sub1, q5Sub0, q5Sub1, q8Sub0 } from "./blocks-of-32.ts"

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

const q4K = withOffsets("Q4_K", 144, null)
const q5K = withOffsets("Q5_K", 176, 16)

/** Bytes of a run of 16: where its bits lie among 64 bytes of pairs. */
const pairsOf = (group: number) => ({ at: (group >> 3) * 32 + (group & 1) * 16, shift: ((group >> 1) & 3) * 2 })

const SECOND_BYTES = 84

const q2K: BlockType = {
  name: "Q2_K",
  elements: SIZE,
  bytes: SECOND_BYTES,
  decode: (bytes) => {
    const scales = halves(bytes, SECOND_BYTES, 80)
    const offsets = halves(bytes, SECOND_BYTES, 82)
    const out = new Float32Array(scales.length * SIZE)
    for (let block = 0; block < scales.length; block++) {
      const start = block * SECOND_BYTES
      for (let group = 0; group < 16; group++) {
        const both = bytes[start + group]!
        const d = scales[block]! * (both & 15)
        const m = offsets[block]! * (both >> 4)
        const { at, shift } = pairsOf(group)
        const to = block * SIZE + group * 16
        for (let i = 0; i < 16; i++) out[to + i] = d * ((bytes[start + 16 + at + i]! >> shift) & 3) - m
      }
    }
    return out
  }
}

const THIRD_BYTES = 110

/** Scale of group g, of 6 bits, out of 12 bytes: four lower bits in halves of the first eight, two upper ones in the last four. */
const scaleOfThird = (bytes: Uint8Array, at: number, g: number): number =>
  ((bytes[at + (g & 7)]! >> (g < 8 ? 0 : 4)) & 15) | (((bytes[at + 8 + (g & 3)]! >> ((g >> 2) * 2)) & 3) << 4)

const q3K: BlockType = {
  name: "Q3_K",
  elements: SIZE,
  bytes: THIRD_BYTES,
  decode: (bytes) => {
    const scales = halves(bytes, THIRD_BYTES, 108)
    const out = new Float32Array(scales.length * SIZE)
    for (let block = 0; block < scales.length; block++) {
      const start = block * THIRD_BYTES
      for (let group = 0; group < 16; group++) {
        const d = scales[block]! * (scaleOfThird(bytes, start + 96, group) - 32)
        const { at, shift } = pairsOf(group)
        const third = start + (group & 1) * 16
        const to = block * SIZE + group * 16
        for (let i = 0; i < 16; i++) {
          const upper = (bytes[third + i]! >> (group >> 1)) & 1
          out[to + i] = d * (((bytes[start + 32 + at + i]! >> shift) & 3) + upper * 4 - 4)
        }
      }
    }
    return out
  }
}

const SIXTH_BYTES = 210

const q6K: BlockType = {
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

const f32: BlockType = { name: "F32", elements: 1, bytes: 4, decode: (bytes) => new Float32Array(aligned(bytes)) }
const f16: BlockType = {
  name: "F16",
  elements: 1,
  bytes: 2,
  decode: (bytes) => fromFloat16(new Uint16Array(aligned(bytes)))
}
const bf16: BlockType = {
  name: "BF16",
  elements: 1,
  bytes: 2,
  decode: (bytes) => fromBfloat16(new Uint16Array(aligned(bytes)))
}
const f64: BlockType = {
  name: "F64",
  elements: 1,
  bytes: 8,
  decode: (bytes) => new Float32Array(new Float64Array(aligned(bytes)))
}

/** The buffer of exactly these bytes. */
const aligned = (bytes: Uint8Array<ArrayBuffer>): ArrayBuffer =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer

/** Storage types that are supported, by ggml's number. */
export const blockTypes: ReadonlyMap<number, BlockType> = new Map([
  [0, f32],
  [1, f16],
  [2, q4Sub0],
  [3, q4Sub1],
  [6, q5Sub0],
  [7, q5Sub1],
  [8, q8Sub0],
  [10, q2K],
  [11, q3K],
  [12, q4K],
  [13, q5K],
  [14, q6K],
  [20, iq4Nl],
  [23, iq4Xs],
  [28, f64],
  [30, bf16]
])

/** Names of the types that are not read, for the sentence that says so. */
const otherNames: { readonly [type: number]: string | undefined } = {
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
  40: "NVFP4",
  41: "Q1_0",
  42: "Q2_0"
}

/** Returns ggml's name of a type. */
export const typeName = (type: number): string => otherNames[type] ?? `type ${type}`
