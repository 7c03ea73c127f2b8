/**
 * W [out, in] in float32 from a packed one (`tensors/packed-matrix.ts`): for what reads a frozen weight itself, an adapter's start or
 * its merge. Products dequantize as they go and need no whole W, save on backends without kernels of ours for them.
 *
 *   half = ±(lead + fraction)·2^p          lead 1024 and p = exponent − 25, or for an exponent of 0 lead 0 and p = −24
 *   int8 = a byte in two's complement
 *   block = d·q + m, d and m the halves of its first word       (q4; q8 without m)
 *
 * The reference takes 32-bit words apart by division and remainder. That is exact where tfjs computes int32 in more than float32, as
 * cpu does; its webgpu programs compute it in float32. On wasm a half costs four instructions for
 * four numbers.
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { BLOCK, type Packing, PER_WORD, wordsOfRow } from "../numbers/index.ts"
import { type FrozenMatrix, isPacked, type PackedMatrix } from "../tensors/index.ts"
import { declareKernel, optional, read, write } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import { PACKING_WORDS } from "./wasm/product.ts"
import { programs } from "./webgpu/loaded.ts"

interface Attributes {
  readonly packing: Packing
  /** of W: the last word of a row may hold fewer numbers than others */
  readonly columns: number
}

/** Digits of 32-bit words, from the lowest. */
const digits = (words: Tensor, base: number, count: number): ReadonlyArray<Tensor> => {
  const found: Array<Tensor> = []
  for (let rest = words; found.length < count; rest = tf.floorDiv(rest, tf.scalar(base, "int32"))) {
    found.push(tf.mod(rest, tf.scalar(base, "int32")))
  }
  return found
}

// of a half's upper six bits: sign and exponent
const LEADS = Float32Array.from({ length: 64 }, (_, bits) => (bits % 32 === 0 ? 0 : 1024))
const POWERS = Float32Array.from({ length: 64 }, (_, bits) => {
  const power = 2 ** (Math.max(1, bits % 32) - 25)
  return bits < 32 ? power : -power
})

const fromHalf = (half: Tensor): Tensor => {
  const upper = tf.floorDiv(half, tf.scalar(1024, "int32"))
  const fraction = tf.cast(tf.mod(half, tf.scalar(1024, "int32")), "float32")
  return tf.mul(tf.add(fraction, tf.gather(LEADS, upper)), tf.gather(POWERS, upper))
}

const fromByte = (byte: Tensor): Tensor =>
  tf.sub(tf.cast(byte, "float32"), tf.mul(tf.cast(tf.greaterEqual(byte, 128), "float32"), 256))

const scaledRows = (words: Tensor, scales: Tensor, packing: "f16" | "int8", columns: number): Tensor => {
  const perWord = PER_WORD[packing]
  const [out, length] = words.shape as [number, number]
  const numbers = digits(words, 2 ** (32 / perWord), perWord).map(packing === "f16" ? fromHalf : fromByte)
  const stored = tf.slice(tf.reshape(tf.stack(numbers, 2), [out, length * perWord]), [0, 0], [out, columns])
  return tf.mul(stored, tf.reshape(scales, [out, 1]))
}

const inBlocks = (words: Tensor, packing: "q4" | "q8", columns: number): Tensor => {
  const out = words.shape[0]!
  const perBlock = wordsOfRow(packing, BLOCK[packing])
  const blocks = words.shape[1]! / perBlock
  const [head, rest] = tf.split(tf.reshape(words, [out, blocks, perBlock]), [1, perBlock - 1], 2)
  const [d, m] = digits(head!, 2 ** 16, 2).map(fromHalf)
  // [out, blocks, words, of a word]; of q4 the lower digits of all bytes, then the upper ones
  const numbers =
    packing === "q8"
      ? tf.stack(digits(rest!, 256, 4).map(fromByte), 3)
      : tf.stack(
          [0, 1].map((half) =>
            tf.stack(
              digits(rest!, 16, 8).filter((_, i) => i % 2 === half),
              3
            )
          ),
          2
        )
  const q = tf.cast(tf.reshape(numbers, [out, blocks, BLOCK[packing]]), "float32")
  const scaled = tf.mul(q, d!)
  const whole = packing === "q8" ? scaled : tf.add(scaled, m!)
  return tf.slice(tf.reshape(whole, [out, blocks * BLOCK[packing]]), [0, 0], [out, columns])
}

const matrix = declareKernel({
  name: "dequantize",
  buffers: { packed: read("u32"), scales: optional(read("f32")), whole: write("f32") },
  /** length: 32-bit words of a row; packing: one of `PACKING_WORDS` */
  words: { rows: "u32", columns: "u32", length: "u32", packing: "u32" },
  split: { over: "rows", cost: ({ columns }) => columns }
})

const dequantize = defineKernel<"words" | "scales", Attributes>({
  name: "Dequantize",
  reference: ({ words, scales }, { packing, columns }) => [
    packing === "q4" || packing === "q8"
      ? inBlocks(words, packing, columns)
      : scaledRows(words, scales, packing, columns)
  ],
  wasm: ({ words, scales }, { packing, columns }, engine) => {
    const [out, length] = words.shape as [number, number]
    const whole = engine.output([out, columns])
    const sizes = { rows: out, columns, length, packing: PACKING_WORDS[packing] }
    engine.run(matrix, { packed: words, scales, whole }, sizes)
    return [whole]
  },
  webgpu: ({ words, scales }, { packing, columns }, engine) => [
    programs().dequantizeOnWebgpu(engine, packing, words, scales, columns)
  ]
})

/** W in float32: itself, or a new tensor from a packed one. Tensor code: the caller's tidy owns what is new. */
export const dequantized = (W: FrozenMatrix): Tensor2D =>
  isPacked(W) ? (dequantize(inputsOf(W), { packing: W.packing, columns: W.shape[1] })[0] as Tensor2D) : W

const inputsOf = ({ words, scales }: PackedMatrix): Readonly<Record<"words" | "scales", Tensor>> =>
  // the kernel looks for scales where rows have them
  (scales === null ? { words } : { words, scales }) as Readonly<Record<"words" | "scales", Tensor>>

/** Rows of a table, W[ids]: ids int32 [n], W [out, in] → [n, in]. Of a packed one, these rows alone are dequantized. Not differentiable. */
export const rowsOf = (W: FrozenMatrix, ids: Tensor1D): Tensor2D => {
  if (!isPacked(W)) return tf.gather(W, ids)
  const { packing, words, scales, shape } = W
  const rows = (x: Tensor) => tf.gather(x, ids)
  return dequantized({
    packing,
    words: rows(words) as Tensor2D,
    scales: scales === null ? null : (rows(scales) as Tensor1D),
    shape: [ids.shape[0], shape[1]]
  })
}
