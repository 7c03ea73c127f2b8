/**
 * Packs weights (`packing.ts`). Blocks follow ggml's own rules for Q4_0 and Q8_0.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c `quantize_row_q4_0_ref`, `quantize_row_q8_0_ref`
 */
import { fromFloat16, toFloat16 } from "./halves.ts"
import {
  BLOCK,
  LARGEST_HALF,
  LARGEST_STORABLE,
  type MatrixShape,
  type PackedHostMatrix,
  type Packing,
  wordsOfBlock,
  wordsOfRow
} from "./packing.ts"

/** The first number found that no scale makes storable: NaN, an infinity, or one beyond `LARGEST_STORABLE`. */
export interface Unstorable {
  readonly value: number
  readonly row: number
  readonly column: number
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

/** Stores a row, whose largest size is given, and returns its scale, 1 where it is in blocks. */
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

/**
 * Blocks of 32 numbers of a row, the last one filled up with 0. `store` writes the block's bytes and returns d; m is d `times` a number. Arrays are
 * allocated for a row: some for each block are garbage of the weights' own size.
 */
const inBlocks =
  (packing: "q4" | "q8", times: number, store: (block: Float32Array, to: Int8Array) => number): Store =>
  (row, _, words) => {
    const size = wordsOfBlock(packing, BLOCK[packing])
    const d = new Float32Array(words.length / size)
    const bytes = new Int8Array(words.buffer, words.byteOffset, 4 * words.length)
    const block = new Float32Array(BLOCK[packing])
    const packed = new Int8Array(4 * (size - 1))
    for (let i = 0; i < d.length; i++) {
      for (let j = 0; j < block.length; j++) block[j] = row[i * block.length + j] ?? 0
      d[i] = store(block, packed)
      bytes.set(packed, 4 * (i * size + 1))
    }
    const halves = new Uint16Array(d.length)
    toFloat16(d, halves)
    const m = new Uint16Array(d.length)
    toFloat16(
      fromFloat16(halves).map((rounded) => times * rounded),
      m
    )
    for (let i = 0; i < d.length; i++) words[i * size] = halves[i]! | (m[i]! << 16)
    return 1
  }

/** ggml's, with its float32 arithmetic: the number of the largest size becomes 0, which has one step more than 15. */
const storeFourBits = inBlocks("q4", -8, (block, to) => {
  const d = block[largestAt(block)]! / -8
  const inverse = d === 0 ? 0 : Math.fround(1 / d)
  const q = (w: number) => Math.min(15, Math.trunc(Math.fround(Math.fround(w * inverse) + 8.5)))
  for (let i = 0; i < 16; i++) to[i] = q(block[i]!) | (q(block[i + 16]!) << 4)
  return d
})

/** ggml's; halves are rounded away from zero. */
const storeEightBits = inBlocks("q8", 0, (block, to) => {
  const d = Math.fround(Math.abs(block[largestAt(block)]!) / 127)
  const inverse = d === 0 ? 0 : Math.fround(1 / d)
  for (let i = 0; i < block.length; i++) {
    const x = Math.fround(block[i]! * inverse)
    to[i] = Math.sign(x) * Math.floor(Math.abs(x) + 0.5)
  }
  return d
})

const STORE: Readonly<Record<Packing, Store>> = {
  f16: storeHalves,
  int8: storeBytes,
  q4: storeFourBits,
  q8: storeEightBits
}
