/**
 * Transposition of matrices on the wasm backend, in tiles. tfjs walks the output in order, so that every read of a wide matrix
 * is a cache miss: [1024, 1536] takes 10 ms, a third of the matrix product that needs it. In tiles of 32 × 32 it takes 1.
 *
 *   out[b, j, i] = x[b, i, j]        x [batch, m, n] → out [batch, n, m], float32
 */
import { type TensorInfo, util } from "@tensorflow/tfjs"
import type { Kernel, WasmBackend } from "./wasm-backend.ts"

/** A cache line is 16 floats; 16 to 64 measured alike for narrow matrices, 32 best over 384 … 1536 columns. */
const TILE = 32

/** The float32 elements [offset, offset + size) of the heap. A view dies when the heap grows: never keep one over an allocation. */
export const floats = (backend: WasmBackend, offset: number, size: number): Float32Array =>
  new Float32Array(backend.wasm.HEAPU8.buffer, offset, size)

const transposeTile = (
  from: Float32Array,
  to: Float32Array,
  m: number,
  n: number,
  rows: readonly [number, number],
  columns: readonly [number, number]
): void => {
  for (let j = columns[0]; j < columns[1]; j++) {
    let target = j * m + rows[0]
    let source = rows[0] * n + j
    for (let i = rows[0]; i < rows[1]; i++) {
      to[target++] = from[source]!
      source += n
    }
  }
}

/** `to` [n, m] becomes the transpose of `from` [m, n]. */
export const transposeInto = (from: Float32Array, to: Float32Array, m: number, n: number): void => {
  for (let i = 0; i < m; i += TILE) {
    for (let j = 0; j < n; j += TILE) {
      transposeTile(from, to, m, n, [i, Math.min(i + TILE, m)], [j, Math.min(j + TILE, n)])
    }
  }
}

/** The transpose of the last two axes, as a new tensor of the backend. */
export const transposeLast = (backend: WasmBackend, x: TensorInfo): TensorInfo => {
  const [m, n] = [x.shape.at(-2)!, x.shape.at(-1)!]
  const out = backend.makeOutput([...x.shape.slice(0, -2), n, m], "float32")
  const [source, target] = [x, out].map((tensor) => backend.dataIdMap.get(tensor.dataId).memoryOffset)
  const size = m * n
  const batch = util.sizeFromShape(x.shape.slice(0, -2))
  for (let b = 0; b < batch; b++) {
    const skip = 4 * b * size
    transposeInto(floats(backend, source! + skip, size), floats(backend, target! + skip, size), m, n)
  }
  return out
}

/** Does `perm` swap the last two axes and nothing else? */
const swapsLast = (perm: ReadonlyArray<number>): boolean => {
  const rank = perm.length
  return rank >= 2 && perm.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i))
}

/** tfjs' Transpose, but in tiles where it swaps the last two axes of a float32 tensor. */
export const transposeKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const x = call.inputs["x"]!
    const perm = call.attrs["perm"] as Array<number>
    const vector = x.shape.slice(-2).includes(1) // stock only clones then
    return x.dtype === "float32" && swapsLast(perm) && !vector && util.sizeFromShape(x.shape) > 0
      ? transposeLast(call.backend, x)
      : stock(call)
  }
