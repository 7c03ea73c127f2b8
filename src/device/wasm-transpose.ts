/**
 * Transposition of matrices on the wasm backend, in tiles. tfjs walks the output in order, so that every read of a wide matrix
 * is a cache miss: [1024, 1536] takes 10 ms, a third of the matrix product that needs it. In tiles of 32 × 32 it takes 1.
 *
 *   out[b, j, i] = x[b, i, j]        x [batch, m, n] → out [batch, n, m], float32
 */
import { type TensorInfo, util } from "@tensorflow/tfjs"
import { declareKernel, read, write } from "../kernels/declaration.ts"
import { chunksOf } from "../kernels/wasm/chunks.ts"
import { wasmEngineOf } from "../kernels/wasm/engine.ts"
import type { Kernel, WasmBackend } from "./wasm-backend.ts"

/** perChunk: rows of `out` */
const kernel = declareKernel({
  name: "transpose",
  buffers: { x: read("f32"), out: write("f32") },
  words: { m: "u32", n: "u32", perChunk: "u32" }
})

/** The transpose of the last two axes, as a new tensor of a backend that has an engine. */
export const transposeLast = (backend: WasmBackend, x: TensorInfo): TensorInfo => {
  const engine = wasmEngineOf(backend)!
  const [m, n] = [x.shape.at(-2)!, x.shape.at(-1)!]
  const out = engine.output([...x.shape.slice(0, -2), n, m])
  const batch = util.sizeFromShape(x.shape.slice(0, -2))
  if (batch * m * n === 0) return out // of an empty product's operand
  // a chunk is a band of rows of `out`, four at a time; of many matrices each is one
  const [perChunk, bands] = batch >= 16 ? [n, 1] : chunksOf(n, batch * m, 4)
  engine.run(kernel, { x, out }, { m, n, perChunk }, { chunks: batch * bands })
  return out
}

/** Does `perm` swap the last two axes and nothing else? */
const swapsLast = (perm: ReadonlyArray<number>): boolean => {
  const rank = perm.length
  return rank >= 2 && perm.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i))
}

/** tfjs' Transpose, but in tiles where it swaps the last two axes of a float32 tensor, and without a trap where there is nothing. */
export const transposeKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const x = call.inputs["x"]!
    const perm = call.attrs["perm"] as Array<number>
    if (x.shape.includes(0)) {
      // tfjs' own divides by the length of an axis
      return call.backend.makeOutput(
        perm.map((axis) => x.shape[axis]!),
        x.dtype
      )
    }
    const vector = x.shape.slice(-2).includes(1) // stock only clones then
    const taken = x.dtype === "float32" && swapsLast(perm) && !vector
    if (!taken || wasmEngineOf(call.backend) === undefined) return stock(call)
    return transposeLast(call.backend, x)
  }
