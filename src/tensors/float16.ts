/**
 * Half-precision numbers to float32: IEEE 754 binary16 through a table of its 65,536 values, bfloat16 by a shift (it is the upper
 * half of a float32). Both exact, infinities, NaN and subnormals included.
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
