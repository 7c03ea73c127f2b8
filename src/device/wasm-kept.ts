/**
 * A hint for frozen weights: `keepTransposed(W)`. A linear layer computes x·Wᵀ forward and dY·W backward, with W [out, in].
 * XNNPACK keeps its packing of W for the second; for the first it would transpose and pack W at every step. The hint makes it
 * keep the packing of Wᵀ as well, for as long as W lives: one more copy of W, and none of Wᵀ itself, because a packing holds
 * its own copy of the numbers. On other backends the hint does nothing.
 */
import { backend as currentBackend, getBackend, type Tensor2D, type TensorInfo } from "@tensorflow/tfjs"
import { type WasmBackend, wasmBackend } from "./wasm-backend.ts"
import { multiply } from "./wasm-product.ts"
import { floats, transposeInto } from "./wasm-transpose.ts"

/** `id`: the tensor id under which XNNPACK holds the packing of Wᵀ; there is no memory behind it. */
interface Kept {
  readonly id: number
  readonly rows: number
  readonly columns: number
}

/** By backend and then by data id; both weakly, so that a forgotten backend takes its table along. */
const tables = new WeakMap<WasmBackend, WeakMap<object, Kept>>()

/** The table of a backend. The first call makes the backend forget a packing when its tensor is disposed. */
const tableOf = (backend: WasmBackend): WeakMap<object, Kept> => {
  const known = tables.get(backend)
  if (known !== undefined) return known
  const table = new WeakMap<object, Kept>()
  tables.set(backend, table)
  const dispose = backend.disposeData.bind(backend)
  backend.disposeData = (dataId, force) => {
    const released = dispose(dataId, force)
    const kept = table.get(dataId)
    if (released && kept !== undefined) {
      table.delete(dataId)
      backend.wasm.tfjs.disposeData(kept.id)
    }
    return released
  }
  return table
}

/** Makes XNNPACK pack the transpose of W [rows, columns], by multiplying one row with it, and frees everything else. */
const pack = (backend: WasmBackend, W: TensorInfo, rows: number, columns: number): Kept => {
  const { wasm } = backend
  const [transposed, x, y] = [rows * columns, columns, rows].map((size) => {
    const offset = wasm._malloc(4 * size) >>> 0
    const id = backend.dataIdNextNumber++
    wasm.tfjs.registerTensor(id, size, offset)
    return { id, offset }
  }) as [Block, Block, Block]
  const source = floats(backend, backend.dataIdMap.get(W.dataId).memoryOffset, rows * columns)
  transposeInto(source, floats(backend, transposed.offset, rows * columns), rows, columns)
  floats(backend, x.offset, columns).fill(0)
  multiply(backend, x, transposed, y, { batch: 1, m: 1, k: columns, n: rows })
  for (const block of [transposed, x, y]) wasm._free(block.offset)
  for (const block of [x, y]) wasm.tfjs.disposeData(block.id)
  return { id: transposed.id, rows, columns }
}

interface Block {
  readonly id: number
  readonly offset: number
}

/**
 * Keeps what x·Wᵀ needs of a frozen weight. W: [out, in], float32, never written to again. Costs out·in floats until W is
 * disposed. Calling it twice changes nothing.
 */
export const keepTransposed = (W: Tensor2D): void => {
  if (getBackend() !== "wasm" || W.dtype !== "float32" || W.size === 0) return
  const backend = wasmBackend(currentBackend())
  const table = tableOf(backend)
  if (!table.has(W.dataId)) table.set(W.dataId, pack(backend, W, W.shape[0], W.shape[1]))
}

/** The id of the packed transpose of `b`, if it was kept and `b` is that matrix (not a reshaped view of it). */
export const keptTranspose = (backend: WasmBackend, b: TensorInfo): number | undefined => {
  const kept = tables.get(backend)?.get(b.dataId)
  return kept !== undefined && b.shape.length === 2 && b.shape[0] === kept.rows && b.shape[1] === kept.columns
    ? kept.id
    : undefined
}
