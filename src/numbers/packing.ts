/**
 * How weights are stored in packed words. What packs them is `pack-matrix.ts`, which a page that packs none does without.
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
 * Words are int32 [out, 5·⌈in / 32⌉] or [out, 9·⌈in / 32⌉].
 */

export type Packing = "f16" | "int8" | "q4" | "q8"

/** Numbers in a 32-bit word. */
export const PER_WORD = { f16: 2, int8: 4, q4: 8, q8: 4 } as const satisfies Record<Packing, number>

/** Numbers in a block, which begins with a word of its own; null: numbers are in no blocks, and a row has a scale. */
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

/** With the word of d and m. */
export const wordsOfBlock = (packing: Packing, block: number): number => 1 + block / PER_WORD[packing]

/** [out, in] of W. */
export type MatrixShape = readonly [out: number, inputs: number]

/** Bytes of a packed matrix, words and scales. */
export const packedBytes = (packing: Packing, [out, inputs]: MatrixShape): number =>
  4 * out * (wordsOfRow(packing, inputs) + (BLOCK[packing] === null ? 1 : 0))

/** A packed matrix on the host. */
export interface PackedHostMatrix {
  /** how its numbers are held */
  readonly packing: Packing
  /** `[out · wordsOfRow]` */
  readonly words: Int32Array
  /** `[out]`; null: they are in the blocks */
  readonly scales: Float32Array | null
  /** out and in of W */
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
