/**
 * Σ x² of every tensor of a list, as one vector. On wasm accumulated in float64, in one piece of work for all of them; on
 * a GPU in float32, in the order of a tree.
 *
 * The reference sums row by row and then over the rows: a running float32 sum over a million entries loses digits that two sums of
 * a thousand do not (tfjs's wasm backend sums in order).
 */
import type { Tensor, Tensor1D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { declareKernel, read, write } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import { listed, named, sizeOf } from "./tensor-lists.ts"
import { blocksOf, cutBlocks, fitting } from "./wasm/cuts.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import { programs } from "./webgpu/loaded.ts"

const reference = (x: Tensor): Tensor =>
  tf.tidy(() => tf.sum(tf.sum(tf.square(tf.reshape(x, [-1, x.shape.at(-1) ?? 1])), 1)))

/** parts: float64 of each block */
const blocks = declareKernel({
  name: "squaresOfBlocks",
  buffers: { parts: write("f64") },
  words: {},
  entry: { x: read("f32"), size: "u32" }
})

const sums = declareKernel({
  name: "squaredNorms",
  sameBits: true,
  buffers: { parts: read("f64"), norms: write("f32") },
  words: {},
  entry: { size: "u32" }
})

const wasm = (inputs: Readonly<Record<string, TensorInfo>>, _: object, engine: WasmEngine) => {
  const tensors = listed(inputs)
  const out = engine.output([tensors.length])
  let address = engine.address(out)
  for (const entries of fitting(
    blocks,
    tensors.map((x) => ({ x, size: sizeOf(x) }))
  )) {
    const parts = engine.output([2 * blocksOf(entries)]) // float64
    engine.run(blocks, { parts }, {}, { entries, ...cutBlocks(entries) })
    engine.run(sums, { parts, norms: { address } }, {}, { entries: entries.map(({ size }) => ({ size })) })
    engine.dispose(parts)
    address += 4 * entries.length
  }
  return [out]
}

const kernel = defineKernel<string, object>({
  name: "SquaredNorms",
  reference: (inputs) => [tf.stack(listed(inputs).map(reference))],
  wasm,
  webgpu: (inputs, _, engine) => [programs().squaredNormsOnWebgpu(engine, listed(inputs))]
})

/** Computes Σ x² of each tensor, shape [tensors]. The list may be empty. */
export const squaredNorms = (tensors: ReadonlyArray<Tensor>): Tensor1D =>
  tensors.length === 0 ? tf.tensor1d([]) : (kernel(named(tensors), {})[0] as Tensor1D)
