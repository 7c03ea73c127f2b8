/**
 * ggml's formats of uneven steps: four bits choose one of sixteen values, which lie closer together around zero.
 *
 *   IQ4_NL  d, 16 bytes                                               y = d·v[q]             32 values
 *   IQ4_XS  d, upper bits of 8 scales, 4 bytes of lower bits, 128 bytes       y = d·(s − 32)·v[q]    8 groups of 32; s of 6 bits
 *
 * Of each 16 bytes the low halves come first. Products are exact in float64 and rounded once, as in float32 arithmetic.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
 */
import { type BlockType, halves } from "./block-type.ts"

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
