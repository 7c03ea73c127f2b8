/**
 * Numbers in fewer bits: float16 and bfloat16, and weights of packed words.
 *
 * Half-precision numbers become float32 exactly, with infinities, NaN and subnormals: IEEE 754 binary16 through a table of its 65,536
 * values, bfloat16 by a shift (it is the upper half of a float32). float32 becomes binary16 rounded to nearest even.
 *
 * A packed weight: W [out, in] = diag(scales) · stored.
 *
 *   f16    two IEEE halves a 32-bit word, rounded to nearest even. The scale is 1: a weight that comes as float16 loses nothing. A
 *          row with numbers beyond 65,504, which halves do not reach, has the power of two that brings it below
 *   int8   four signed bytes a word; scale = max|row| / 127, stored = round(w / scale): off by scale / 2 at most
 *
 * Words are int32 [out, ⌈in / 2⌉] or [out, ⌈in / 4⌉], the first number in the lowest bits, the last word of a row padded with 0:
 * tfjs has tensors of no narrower type, and a row that begins at a word can be read by words.
 */

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

/** 256 KB, built on first use: a checkpoint of 14 million weights is then one look-up each. */
let table: Uint32Array | undefined

/** IEEE binary16 → float32. */
export const fromFloat16 = (bits: Uint16Array): Float32Array => {
  table ??= float16Table()
  const values = table
  const out = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) out[i] = values[bits[i]!]!
  return new Float32Array(out.buffer)
}

/** bfloat16 → float32. */
export const fromBfloat16 = (bits: Uint16Array): Float32Array => {
  const out = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) out[i] = bits[i]! << 16
  return new Float32Array(out.buffer)
}

/** The largest finite half. */
export const LARGEST_HALF = 65_504

/** bits of 2⁻¹⁴, the smallest normal half, and of ½, as float32 */
const SMALLEST_NORMAL = 0x38800000
const ONE_HALF = 0x3f000000

/** float32 → IEEE binary16, to the start of `to`. Beyond 65,520 is infinity, NaN stays NaN. */
export const toFloat16 = (values: Float32Array, to: Uint16Array): void => {
  const value = new Float32Array(1)
  const bits = new Uint32Array(value.buffer)
  for (let i = 0; i < values.length; i++) {
    value[0] = values[i]!
    const sign = (bits[0]! >>> 16) & 0x8000
    const size = bits[0]! & 0x7fffffff
    to[i] = sign | (size < SMALLEST_NORMAL ? subnormal(value, bits) : normal(size))
  }
}

/** The exponent's bias goes from 127 to 15; adding half of the last place, less the smallest bit at a tie to even, rounds. */
const normal = (size: number): number => {
  if (size > 0x7f800000) return 0x7e00
  const rounded = (size - ((127 - 15) << 23) + 0xfff + ((size >>> 13) & 1)) >>> 13
  return Math.min(rounded, 0x7c00)
}

/** |x| + ½ is rounded by the machine: the last place of ½ is 2⁻²⁴, that of a subnormal half. */
const subnormal = (value: Float32Array, bits: Uint32Array): number => {
  value[0] = Math.abs(value[0]!) + 0.5
  return bits[0]! - ONE_HALF
}

const float16Table = (): Uint32Array => {
  const values = new Float32Array(65_536)
  for (let i = 0; i < 65_536; i++) {
    const sign = i & 0x8000 ? -1 : 1
    const exponent = (i >> 10) & 0x1f
    const fraction = i & 0x3ff
    if (exponent === 0x1f) values[i] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
    else if (exponent === 0) values[i] = sign * fraction * 2 ** -24
    else values[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
  }
  return new Uint32Array(values.buffer)
}
