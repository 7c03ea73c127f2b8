/**
 * Numbers in fewer bits: float16 and bfloat16, and weights of packed words.
 *
 * Half-precision numbers become float32 exactly, with infinities, NaN and subnormals: IEEE 754 binary16 through a table of its 65,536
 * values, bfloat16 by a shift (it is the upper half of a float32). float32 becomes binary16 rounded to nearest even.
 *
 * A packed weight with a scale a row: W [out, in] = diag(scales) · stored.
 *
 *   f16    two IEEE halves a 32-bit word, rounded to nearest even. The scale is 1: a weight that comes as float16 loses nothing. A
 *          row with numbers beyond 65,504, which halves do not reach, has the power of two that brings it below
 *   int8   four signed bytes a word; scale = max|row| / 127, stored = round(w / scale): off by scale / 2 at most
 *
 * Words are int32 [out, ⌈in / 2⌉] or [out, ⌈in / 4⌉], the first number in the lowest bits, the last word of a row padded with 0:
 * tfjs has tensors of no narrower type, and a row that begins at a word can be read by words.
 *
 * A packed weight in blocks: 32 numbers of a row share two IEEE halves, d and m, which are the block's first word (d in its lower half).
 *
 *   q4   w = d·q + m, q of four bits. Byte i of the other 16 holds q of number i in its lower bits and of number i + 16 in its upper ones.
 *        ggml's Q4_1 is this block, and its Q4_0 the one whose m is −8·d: d·q is exact in float32, so w is rounded once at most
 *   q8   w = d·q, q a signed byte, 32 of them in order, m unused: ggml's Q8_0. d·q is exact in float32
 *
 * What is packed here follows ggml's own rules for Q4_0 and Q8_0. Words are int32 [out, 5·⌈in / 32⌉] or [out, 9·⌈in / 32⌉].
 *
 * @see https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c `quantize_row_q4_0_ref`, `quantize_row_q8_0_ref`
 */

export type Packing = "f16" | "int8" | "q4" | "q8"

/** Numbers in a 32-bit word. */
export const PER_WORD = { f16: 2, int8: 4, q4: 8, q8: 4 } as const satisfies Record<Packing, number>

/** Numbers in a block, which begins with a word of its own; null: numbers lie in no blocks, and a row has a scale. */
export const BLOCK = { f16: null, int8: null, q4: 32, q8: 32 } as const satisfies Record<Packing, number | null>

/** Packings in which a file's blocks of linear layers are held as they are, by the one that is asked for: none takes more memory. */
export const KEPT: Readonly<Record<Packing, ReadonlyArray<Packing>>> = {
  f16: [],
  int8: [],
  q4: ["q4"],
  q8: ["q4", "q8"]
}

/** The same of tables, in every packing: what is held as it is loses nothing. */
export const KEPT_TABLES: ReadonlyArray<Packing> = ["q4", "q8"]

/** How tables of a vocabulary are held where linear layers are held so; null: in float32. */
export const TABLES: Readonly<Record<Packing, Packing | null>> = { f16: null, int8: null, q4: "q8", q8: "q8" }

/** 32-bit words of a row. */
export const wordsOfRow = (packing: Packing, inputs: number): number => {
  const block = BLOCK[packing]
  return block === null
    ? Math.ceil(inputs / PER_WORD[packing])
    : Math.ceil(inputs / block) * wordsOfBlock(packing, block)
}

const wordsOfBlock = (packing: Packing, block: number): number => 1 + block / PER_WORD[packing]

/** [out, in] of W. */
export type MatrixShape = readonly [out: number, inputs: number]

/** Bytes of a packed matrix, words and scales. */
export const packedBytes = (packing: Packing, [out, inputs]: MatrixShape): number =>
  4 * out * (wordsOfRow(packing, inputs) + (BLOCK[packing] === null ? 1 : 0))

/** A packed matrix on the host. */
export interface PackedHostMatrix {
  readonly packing: Packing
  readonly words: Int32Array // [out · wordsOfRow]
  readonly scales: Float32Array | null // [out]; null: in blocks
  readonly shape: MatrixShape
}

/** The first number found that no scale makes storable: NaN, an infinity, or one beyond `LARGEST_STORABLE`. */
export interface Unstorable {
  readonly value: number
  readonly row: number
  readonly column: number
}

/** 2³⁰: kernels multiply a half by 2¹¹² and its row's scale in one float. */
export const LARGEST_IN_F16 = 2 ** 30

/** The largest finite half. */
export const LARGEST_HALF = 65_504

/** The largest size of a number that can be packed. The m of a block, a half, reaches as far as its numbers. */
export const LARGEST_STORABLE: Readonly<Record<Packing, number>> = {
  f16: LARGEST_IN_F16,
  int8: Number.MAX_VALUE,
  q4: LARGEST_HALF,
  q8: LARGEST_HALF
}

/** Packs W [out, in], row-major. */
export const packMatrix = (packing: Packing, data: Float32Array, shape: MatrixShape): PackedHostMatrix | Unstorable => {
  const [out, inputs] = shape
  const perRow = wordsOfRow(packing, inputs)
  const words = new Int32Array(out * perRow)
  const scales = BLOCK[packing] === null ? new Float32Array(out) : null
  const store = STORE[packing]
  for (let i = 0; i < out; i++) {
    const row = data.subarray(i * inputs, (i + 1) * inputs)
    const column = largestAt(row)
    const value = row[column] ?? 0
    const largest = Math.abs(value)
    if (!Number.isFinite(value) || largest > LARGEST_STORABLE[packing]) return { value, row: i, column }
    const scale = store(row, largest, words.subarray(i * perRow, (i + 1) * perRow))
    if (scales !== null) scales[i] = scale
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

/** Stores a row, whose largest size is given, and returns its scale, 1 where it lies in blocks. */
type Store = (row: Float32Array, largest: number, words: Int32Array) => number

const storeHalves: Store = (row, largest, words) => {
  const to = new Uint16Array(words.buffer, words.byteOffset, 2 * words.length)
  const scale = largest <= LARGEST_HALF ? 1 : 2 ** Math.ceil(Math.log2(largest / LARGEST_HALF))
  toFloat16(scale === 1 ? row : row.map((w) => w / scale), to)
  return scale
}

const storeBytes: Store = (row, largest, words) => {
  const to = new Int8Array(words.buffer, words.byteOffset, 4 * words.length)
  const scale = Math.fround(largest / 127)
  if (scale === 0) return 0
  // a scale that is rounded down may push the largest to 127.0…1, and one among the smallest floats further
  for (let j = 0; j < row.length; j++) to[j] = Math.max(-127, Math.min(127, Math.round(row[j]! / scale)))
  return scale
}

/** Blocks of 32 numbers of a row, the last one filled up with 0. `store` writes the block's bytes and returns d and m. */
const inBlocks =
  (packing: "q4" | "q8", store: (block: Float32Array, to: Int8Array) => readonly [d: number, m: number]): Store =>
  (row, _, words) => {
    const size = wordsOfBlock(packing, BLOCK[packing])
    const heads = new Float32Array((2 * words.length) / size)
    const block = new Float32Array(BLOCK[packing])
    for (let i = 0; i < heads.length / 2; i++) {
      block.fill(0)
      block.set(row.subarray(i * block.length, (i + 1) * block.length))
      heads.set(store(block, new Int8Array(words.buffer, words.byteOffset + 4 * (i * size + 1), 4 * (size - 1))), 2 * i)
    }
    const halves = new Uint16Array(heads.length)
    toFloat16(heads, halves)
    for (let i = 0; i < halves.length; i += 2) words[(i / 2) * size] = halves[i]! | (halves[i + 1]! << 16)
    return 1
  }

/** ggml's, with its float32 arithmetic: the number of the largest size becomes 0, which has one step more than 15. */
const storeFourBits = inBlocks("q4", (block, to) => {
  const d = block[largestAt(block)]! / -8
  const inverse = d === 0 ? 0 : Math.fround(1 / d)
  const q = (w: number) => Math.min(15, Math.trunc(Math.fround(Math.fround(w * inverse) + 8.5)))
  for (let i = 0; i < 16; i++) to[i] = q(block[i]!) | (q(block[i + 16]!) << 4)
  return [d, -8 * roundedToHalf(d)]
})

/** ggml's; halves are rounded away from zero. */
const storeEightBits = inBlocks("q8", (block, to) => {
  const d = Math.fround(Math.abs(block[largestAt(block)]!) / 127)
  const inverse = d === 0 ? 0 : Math.fround(1 / d)
  for (let i = 0; i < block.length; i++) {
    const x = Math.fround(block[i]! * inverse)
    to[i] = Math.sign(x) * Math.floor(Math.abs(x) + 0.5)
  }
  return [d, 0]
})

const STORE: Readonly<Record<Packing, Store>> = {
  f16: storeHalves,
  int8: storeBytes,
  q4: storeFourBits,
  q8: storeEightBits
}

const roundedToHalf = (value: number): number => {
  const bits = new Uint16Array(1)
  toFloat16(Float32Array.of(value), bits)
  return fromFloat16(bits)[0]!
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
