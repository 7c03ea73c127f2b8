/**
 * Half-precision numbers become float32 exactly, with infinities, NaN and subnormals: IEEE 754 binary16 through a table of its 65,536
 * values, bfloat16 by a shift (it is the upper half of a float32). float32 becomes binary16 rounded to nearest even.
 */

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
