/**
 * Layout of packed weights in 32-bit words. `pack-matrix.ts` packs them; pages that pack no weights do not load it.
 *
 * A packed weight with one scale per row: W [out, in] = diag(scales) · stored.
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
 * Words are int32 [out, 5·⌈in / 32⌉] or [out, 9·⌈in / 32⌉].
 */

export type Packing = "f16" | "int8" | "q4" | "q8"

/** Format of a frozen matrix that is not a float32 tensor. "mapped": it stays in its file, in the file's own type (`models/mapped-weights.ts`). */
export type MatrixFormat = Packing | "mapped"

/** Form of frozen matrices in memory, a value of `model.weights`. "file": they stay in their file if the device reads it, else float32. */
export type WeightForm = "file" | "f32" | Packing

/** Returns whether the form rounds weights. */
export const isPacking = (form: WeightForm): form is Packing => form !== "file" && form !== "f32"

/** Values per 32-bit word. */
export const PER_WORD = { f16: 2, int8: 4, q4: 8, q8: 4 } as const satisfies Record<Packing, number>

/** Values per block, whose first word holds d and m; null: no blocks, and one scale per row. */
export const BLOCK = { f16: null, int8: null, q4: 32, q8: 32 } as const satisfies Record<Packing, number | null>

/** By requested packing: the stored block formats of linear layers that are kept unchanged. None takes more memory than the requested one. */
export const KEPT: Readonly<Record<Packing, ReadonlyArray<Packing>>> = {
  f16: [],
  int8: [],
  q4: ["q4"],
  q8: ["q4", "q8"]
}

/** Block formats of vocabulary tables that are kept unchanged, for every requested packing: keeping a block loses no precision. */
export const KEPT_TABLES: ReadonlyArray<Packing> = ["q4", "q8"]

/** Packing of vocabulary tables by the packing of the linear layers; null: float32. */
export const TABLES: Readonly<Record<Packing, Packing | null>> = { f16: null, int8: null, q4: "q8", q8: "q8" }

/** Returns the number of 32-bit words of a row of `inputs` values. */
export const wordsOfRow = (packing: Packing, inputs: number): number => {
  const block = BLOCK[packing]
  return block === null
    ? Math.ceil(inputs / PER_WORD[packing])
    : Math.ceil(inputs / block) * wordsOfBlock(packing, block)
}

/** Returns the number of 32-bit words of a block, including the word of d and m. */
export const wordsOfBlock = (packing: Packing, block: number): number => 1 + block / PER_WORD[packing]

/** Shape of W, [out, in]. */
export type MatrixShape = readonly [out: number, inputs: number]

/** Returns the size of a packed matrix in bytes: its words and scales. */
export const packedBytes = (packing: Packing, [out, inputs]: MatrixShape): number =>
  4 * out * (wordsOfRow(packing, inputs) + (BLOCK[packing] === null ? 1 : 0))

/** A packed matrix on the host. */
export interface PackedHostMatrix {
  /** format of its values */
  readonly packing: Packing
  /** `[out · wordsOfRow]` */
  readonly words: Int32Array
  /** one per row, `[out]`; null: the blocks hold the scales */
  readonly scales: Float32Array | null
  /** shape of W, [out, in] */
  readonly shape: MatrixShape
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
