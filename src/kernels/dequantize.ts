/**
 * W [out, in] in float32 from a packed one (`tensors/packed-matrix.ts`): for what reads a frozen weight itself, an adapter's start or
 * its merge. Products dequantize as they go and need no whole W, save on backends without kernels of ours for them.
 *
 * The reference comes with what uploads a packed W (`tensors/upload-packed.ts`). On wasm a half costs four instructions for four numbers.
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { MatrixFormat, Packing } from "../numbers/index.ts"
import { type FrozenMatrix, isPacked, type PackedMatrix, unpacked } from "../tensors/index.ts"
import { declareKernel, optional, read, write } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import { PACKING_WORDS } from "./wasm/product.ts"
import { programs } from "./webgpu/loaded.ts"

interface Attributes {
  readonly packing: MatrixFormat
  /** of W: the last word of a row may hold fewer numbers than others */
  readonly columns: number
}

const matrix = declareKernel({
  name: "dequantize",
  sameBits: true,
  buffers: { packed: read("u32"), scales: optional(read("f32")), whole: write("f32") },
  /** length: 32-bit words of a row; packing: one of `PACKING_WORDS` */
  words: { rows: "u32", columns: "u32", length: "u32", packing: "u32" },
  split: { over: "rows", cost: ({ columns }) => columns }
})

const dequantize = defineKernel<"words" | "scales", Attributes>({
  name: "Dequantize",
  reference: ({ words, scales }, { packing, columns }) => [unpacked(words, scales, packing, columns)],
  wasm: ({ words, scales }, { packing, columns }, engine) => {
    const [out, length] = words.shape as [number, number]
    const whole = engine.output([out, columns])
    const sizes = { rows: out, columns, length, packing: PACKING_WORDS[packing] }
    engine.run(matrix, { packed: words, scales, whole }, sizes)
    return [whole]
  },
  webgpu: ({ words, scales }, { packing, columns }, engine) => [
    programs().dequantizeOnWebgpu(engine, packing as Packing, words, scales, columns)
  ]
})

/** Returns W in float32: the tensor itself, or a new one from a packed weight. Tensor code: the caller's tidy owns the new tensor. */
export const dequantized = (W: FrozenMatrix): Tensor2D =>
  isPacked(W) ? (dequantize(inputsOf(W), { packing: W.packing, columns: W.shape[1] })[0] as Tensor2D) : W

const inputsOf = ({ words, scales }: PackedMatrix): Readonly<Record<"words" | "scales", Tensor>> =>
  // the kernel looks for scales where rows have them
  (scales === null ? { words } : { words, scales }) as Readonly<Record<"words" | "scales", Tensor>>

/** Reads rows of a table, W[ids]: ids int32 [n], W [out, in] → [n, in]. Only these rows of a packed table are dequantized. Not differentiable. */
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
