/**
 * Numbers as blocks of ggml's types: the other direction of `block-types.ts`, which says how the blocks lie.
 *
 * Blocks of 32 have one scale, of the largest number: all of their arithmetic is float32, as in ggml, and so are their bytes ggml's.
 *
 *   Q8_0   d = max|x| / 127                              q = round(x/d)
 *   Q4_0   d = x* / −8, x* the number of largest size    q = ⌊x/d + 8.5⌋ ≤ 15        (Q5_0: −16, 16.5, 31)
 *
 * Blocks of 256 have groups whose scales are searched: for each of some divisors near the largest number the whole numbers q are taken, and
 * with these the scale (and offset) of least squared error, Σ w (d·q − m − x)²; the best of all is kept. Then groups' scales are rounded to 6
 * or 8 bits under one half-precision scale, and the numbers are taken again under what was rounded.
 *
 *   Q4_K   w = √(mean x²) + |x|      offsets never above 0
 *   Q6_K   w = x²                    no offset
 *
 * @see https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c
 */
import { fromFloat16, LARGEST_HALF, toFloat16 } from "../../../numbers/index.ts"
import { blockTypes } from "../block-types.ts"
import type { BlockType } from "../blocks-of-32.ts"

/** A type for writing tensors. */
export interface WritableType extends BlockType {
  /** ggml's number of the type */
  readonly id: number
  /** Converts rows of whole blocks to bytes. Every value must be finite and at most `LARGEST_HALF`. */
  readonly encode: (values: Float32Array) => Uint8Array<ArrayBuffer>
}

const round = Math.fround
const half = { value: new Float32Array(1), bits: new Uint16Array(1) }

/** Writes the half nearest to `value` at byte `at`; what was written. */
const putHalf = (to: Uint8Array, at: number, value: number): number => {
  half.value[0] = value
  toFloat16(half.value, half.bits)
  to[at] = half.bits[0]! & 255
  to[at + 1] = half.bits[0]! >> 8
  return fromFloat16(half.bits)[0]!
}

/** The nearest whole number of 0…15. */
const nearestOf16 = (x: number): number => (x <= 0 ? 0 : x >= 15 ? 15 : (x + 0.5) | 0)

/** The nearest whole number of −32…31. */
const nearestOf64 = (x: number): number => (x <= -32 ? -32 : x >= 31 ? 31 : ((x + 32.5) | 0) - 32)

const encodeQ8Sub0 = (values: Float32Array): Uint8Array<ArrayBuffer> => {
  const blocks = values.length / 32
  const out = new Uint8Array(blocks * 34)
  for (let block = 0; block < blocks; block++) {
    const from = block * 32
    let largest = 0
    for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(values[from + i]!))
    const d = round(largest / 127)
    const inverse = d === 0 ? 0 : round(1 / d)
    const to = block * 34
    putHalf(out, to, d)
    for (let i = 0; i < 32; i++) {
      const x = round(values[from + i]! * inverse)
      // away from zero at a half
      out[to + 2 + i] = x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5)
    }
  }
  return out
}

/** Q4_0 and Q5_0. `zero`: the code for 0. */
const encodeSigned =
  (bytes: number, zero: number, fifth: boolean) =>
  (values: Float32Array): Uint8Array<ArrayBuffer> => {
    const blocks = values.length / 32
    const out = new Uint8Array(blocks * bytes)
    const q = new Uint8Array(32)
    for (let block = 0; block < blocks; block++) {
      const from = block * 32
      let largest = 0
      for (let i = 0; i < 32; i++) {
        const x = values[from + i]!
        if (Math.abs(x) > Math.abs(largest)) largest = x
      }
      const d = round(largest / -zero)
      const inverse = d === 0 ? 0 : round(1 / d)
      putHalf(out, block * bytes, d)
      for (let i = 0; i < 32; i++) {
        const x = round(round(values[from + i]! * inverse) + (zero + 0.5))
        q[i] = Math.min(2 * zero - 1, Math.trunc(x))
      }
      putHalves(q, out, (block + 1) * bytes, fifth)
    }
    return out
  }

/** 32 numbers of 4 or 5 bits as the last bytes of the block that ends at `end`. */
const putHalves = (q: Uint8Array, out: Uint8Array, end: number, fifth: boolean): void => {
  for (let i = 0; i < 16; i++) out[end - 16 + i] = (q[i]! & 15) | ((q[i + 16]! & 15) << 4)
  if (!fifth) return
  for (let i = 0; i < 32; i++) if (q[i]! > 15) out[end - 20 + (i >> 3)]! |= 1 << (i & 7)
}

const STEP = 0.1

/** The largest q of Q4_K; the divisors tried: (14 + 0.1·k)/(max − min), k = 0…20. */
const MOST = 15
const DIVISORS = 20

/**
 * Writes the scale and the offset of x ≈ scale·q − offset, q in 0…15, offset ≥ 0, of the group at `from` into `result`. `weights`: of the
 * group's 32 errors.
 */
const searchGroup = (x: Float32Array, from: number, weights: Float32Array, result: Float32Array): void => {
  let [least, largest] = [0, x[from]!]
  let [sumW, sumX, sumXX] = [0, 0, 0]
  for (let i = 0; i < 32; i++) {
    const value = x[from + i]!
    const w = weights[i]!
    if (value < least) least = value
    if (value > largest) largest = value
    sumW += w
    sumX += w * value
    sumXX += w * value * value
  }
  result[0] = 0
  result[1] = -least
  if (largest === least) return
  let [scale, offset, best] = [0, -least, Number.POSITIVE_INFINITY]
  for (let k = -1; k <= DIVISORS; k++) {
    // first the divisor that reaches from end to end, and with it this very scale; then each from the best offset so far
    const first = k < 0
    const inverse = (first ? MOST : MOST - 1 + STEP * k) / (largest + offset)
    let [sumQ, sumQQ, sumQX] = [0, 0, 0]
    for (let i = 0; i < 32; i++) {
      const value = x[from + i]!
      const w = weights[i]!
      const q = nearestOf16(inverse * (value + offset))
      sumQ += w * q
      sumQQ += w * q * q
      sumQX += w * q * value
    }
    const determinant = sumW * sumQQ - sumQ * sumQ
    if (!first && !(determinant > 0)) continue
    let scaleHere = first ? 1 / inverse : (sumW * sumQX - sumX * sumQ) / determinant
    let offsetHere = first ? offset : (sumQ * sumQX - sumQQ * sumX) / determinant
    if (offsetHere < 0) {
      offsetHere = 0
      scaleHere = sumQX / sumQQ
    }
    const error =
      scaleHere * (scaleHere * sumQQ - 2 * offsetHere * sumQ - 2 * sumQX) +
      offsetHere * (offsetHere * sumW + 2 * sumX) +
      sumXX
    if (error < best) {
      best = error
      scale = scaleHere
      offset = offsetHere
    }
  }
  result[0] = scale
  result[1] = offset
}

const encodeQ4K = (values: Float32Array): Uint8Array<ArrayBuffer> => {
  const blocks = values.length / 256
  const out = new Uint8Array(blocks * 144)
  const [scales, offsets, best] = [new Float32Array(8), new Float32Array(8), new Float32Array(2)]
  const weights = new Float32Array(32)
  const q = new Uint8Array(256)
  for (let block = 0; block < blocks; block++) {
    for (let group = 0; group < 8; group++) {
      const from = block * 256 + group * 32
      let squares = 0
      for (let i = 0; i < 32; i++) squares += values[from + i]! * values[from + i]!
      const size = Math.sqrt(squares / 32)
      for (let i = 0; i < 32; i++) weights[i] = size + Math.abs(values[from + i]!)
      searchGroup(values, from, weights, best)
      scales[group] = best[0]!
      offsets[group] = best[1]!
    }
    const at = block * 144
    const [largestScale, largestOffset] = [Math.max(...scales), Math.max(...offsets)]
    const d = putHalf(out, at, largestScale / 63)
    const m = putHalf(out, at + 2, largestOffset / 63)
    for (let group = 0; group < 8; group++) {
      const s = largestScale > 0 ? Math.round((63 / largestScale) * scales[group]!) : 0
      const t = largestOffset > 0 ? Math.round((63 / largestOffset) * offsets[group]!) : 0
      putScales(out, at + 4, group, s, t)
      const [scale, offset] = [d * s, m * t]
      for (let i = 0; i < 32; i++) {
        const x = values[block * 256 + group * 32 + i]!
        q[group * 32 + i] = scale === 0 ? 0 : nearestOf16((x + offset) / scale)
      }
    }
    const low = at + 16
    for (let group = 0; group < 8; group++) {
      const shift = (group & 1) * 4
      for (let i = 0; i < 32; i++) {
        out[low + (group >> 1) * 32 + i]! |= q[group * 32 + i]! << shift
      }
    }
  }
  return out
}

/** A scale and an offset of 6 bits each among 12 bytes: four groups in the lower bits of a byte each, four in what is left. */
const putScales = (out: Uint8Array, at: number, group: number, s: number, t: number): void => {
  if (group < 4) {
    out[at + group] = s
    out[at + group + 4] = t
    return
  }
  out[at + group + 4] = (s & 15) | ((t & 15) << 4)
  out[at + group - 4]! |= (s >> 4) << 6
  out[at + group]! |= (t >> 4) << 6
}

/** Below it a group is zeros. */
const NOTHING = 1e-15

/** The scale of x ≈ scale·q, q in −32…31, of the 16 numbers at `from`. */
const searchSigned = (x: Float32Array, from: number): number => {
  let largest = 0
  for (let i = 0; i < 16; i++) if (Math.abs(x[from + i]!) > Math.abs(largest)) largest = x[from + i]!
  if (Math.abs(largest) < NOTHING) return 0
  let [scale, best] = [0, 0]
  for (let k = -9; k <= 9; k++) {
    const inverse = -(32 + STEP * k) / largest
    let [sumQX, sumQQ] = [0, 0]
    for (let i = 0; i < 16; i++) {
      const value = x[from + i]!
      const q = nearestOf64(inverse * value)
      sumQX += value * value * q * value
      sumQQ += value * value * q * q
    }
    // the error is Σ w x² − (Σ w q x)² / Σ w q²
    if (sumQQ > 0 && (sumQX * sumQX) / sumQQ > best) {
      best = (sumQX * sumQX) / sumQQ
      scale = sumQX / sumQQ
    }
  }
  return scale
}

const encodeQ6K = (values: Float32Array): Uint8Array<ArrayBuffer> => {
  const blocks = values.length / 256
  const out = new Uint8Array(blocks * 210)
  const scales = new Float32Array(16)
  const q = new Uint8Array(256)
  for (let block = 0; block < blocks; block++) {
    const at = block * 210
    let largest = 0
    for (let group = 0; group < 16; group++) {
      const scale = searchSigned(values, block * 256 + group * 16)
      scales[group] = scale
      if (Math.abs(scale) > Math.abs(largest)) largest = scale
    }
    if (Math.abs(largest) < NOTHING) continue
    const d = putHalf(out, at + 208, largest / -128)
    for (let group = 0; group < 16; group++) {
      const s = Math.min(127, Math.round((-128 / largest) * scales[group]!))
      out[at + 192 + group] = s
      for (let i = 0; i < 16; i++) {
        const x = values[block * 256 + group * 16 + i]!
        q[group * 16 + i] = d * s === 0 ? 32 : 32 + nearestOf64(x / (d * s))
      }
    }
    for (let run = 0; run < 8; run++) {
      const upper = run >> 2
      for (let i = 0; i < 32; i++) {
        const code = q[run * 32 + i]!
        out[at + upper * 64 + (run & 1) * 32 + i]! |= (code & 15) << (((run >> 1) & 1) * 4)
        out[at + 128 + upper * 32 + i]! |= (code >> 4) << ((run & 3) * 2)
      }
    }
  }
  return out
}

const encodeF16 = (values: Float32Array): Uint8Array<ArrayBuffer> => {
  const bits = new Uint16Array(values.length)
  toFloat16(values, bits)
  return new Uint8Array(bits.buffer)
}

const encodeF32 = (values: Float32Array): Uint8Array<ArrayBuffer> => new Uint8Array(values.slice().buffer)

const writable = (id: number, encode: WritableType["encode"]): WritableType => ({ ...blockTypes.get(id)!, id, encode })

/** Types for writing, by name. */
export const writableTypes = {
  F32: writable(0, encodeF32),
  F16: writable(1, encodeF16),
  Q4_0: writable(2, encodeSigned(18, 8, false)),
  Q5_0: writable(6, encodeSigned(22, 16, true)),
  Q8_0: writable(8, encodeQ8Sub0),
  Q4_K: writable(12, encodeQ4K),
  Q6_K: writable(14, encodeQ6K)
} as const

/** Name of a type for writing. */
export type WritableName = keyof typeof writableTypes

/** Returns the index of the first value that only F32 can represent, or −1. */
export const unwritableAt = (values: Float32Array): number => values.findIndex((x) => !(Math.abs(x) <= LARGEST_HALF))
