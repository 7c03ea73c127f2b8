/**
 * A weight in fewer bits: W [out, in] = diag(scales) · stored.
 *
 *   f16    two IEEE halves a 32-bit word, rounded to nearest even. The scale is 1: a weight that comes as float16 loses nothing. A
 *          row with numbers beyond 65,504, which halves do not reach, has the power of two that brings it below
 *   int8   four signed bytes a word; scale = max|row| / 127, stored = round(w / scale): off by scale / 2 at most
 *
 * Words are int32 [out, ⌈in / 2⌉] or [out, ⌈in / 4⌉], the first number in the lowest bits, the last word of a row padded with 0:
 * tfjs has tensors of no narrower type, and a row that begins at a word can be read by words.
 */
import { LARGEST_HALF, toFloat16 } from "./float16.ts"

export type Packing = "f16" | "int8"

/** Numbers in a 32-bit word. */
export const PER_WORD = { f16: 2, int8: 4 } as const satisfies Record<Packing, number>

/** [out, in] of W. */
export type MatrixShape = readonly [out: number, inputs: number]

/** Bytes of a packed matrix, words and scales. */
export const packedBytes = (packing: Packing, [out, inputs]: MatrixShape): number =>
  4 * out * (Math.ceil(inputs / PER_WORD[packing]) + 1)

/** A packed matrix on the host. */
export interface PackedHostMatrix {
  readonly packing: Packing
  readonly words: Int32Array // [out · ⌈in / PER_WORD⌉]
  readonly scales: Float32Array // [out]
  readonly shape: MatrixShape
}

/** The first number found that no scale makes storable: NaN, an infinity, or for f16 one beyond `LARGEST_IN_F16`. */
export interface Unstorable {
  readonly value: number
  readonly row: number
  readonly column: number
}

/** 2³⁰: kernels multiply a half by 2¹¹² and its row's scale in one float. */
export const LARGEST_IN_F16 = 2 ** 30

/** Packs W [out, in], row-major. */
export const packMatrix = (packing: Packing, data: Float32Array, shape: MatrixShape): PackedHostMatrix | Unstorable => {
  const [out, inputs] = shape
  const perRow = Math.ceil(inputs / PER_WORD[packing])
  const words = new Int32Array(out * perRow)
  const scales = new Float32Array(out)
  const store = packing === "f16" ? new Uint16Array(words.buffer) : new Int8Array(words.buffer)
  for (let i = 0; i < out; i++) {
    const row = data.subarray(i * inputs, (i + 1) * inputs)
    const column = largestAt(row)
    const value = row[column] ?? 0
    const largest = Math.abs(value)
    if (!Number.isFinite(value) || (packing === "f16" && largest > LARGEST_IN_F16)) return { value, row: i, column }
    const at = i * perRow * PER_WORD[packing]
    if (packing === "f16") scales[i] = storeHalves(row, largest, store.subarray(at) as Uint16Array)
    else scales[i] = storeBytes(row, largest, store.subarray(at) as Int8Array)
  }
  return { packing, words, scales, shape }
}

/** Where max|x| is, or the first x that is not finite. */
const largestAt = (row: Float32Array): number => {
  let at = 0
  let largest = 0
  for (let j = 0; j < row.length; j++) {
    const size = Math.abs(row[j]!)
    if (!Number.isFinite(size)) return j
    if (size <= largest) continue
    largest = size
    at = j
  }
  return at
}

/** Returns the scale, as `storeBytes` does. */
const storeHalves = (row: Float32Array, largest: number, to: Uint16Array): number => {
  const scale = largest <= LARGEST_HALF ? 1 : 2 ** Math.ceil(Math.log2(largest / LARGEST_HALF))
  toFloat16(scale === 1 ? row : row.map((w) => w / scale), to)
  return scale
}

const storeBytes = (row: Float32Array, largest: number, to: Int8Array): number => {
  const scale = Math.fround(largest / 127)
  if (scale === 0) return 0
  // a scale that is rounded down may push the largest to 127.0…1, and one among the smallest floats further
  for (let j = 0; j < row.length; j++) to[j] = Math.max(-127, Math.min(127, Math.round(row[j]! / scale)))
  return scale
}
