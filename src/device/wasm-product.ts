/**
 * Products of untransposed matrices that lie anywhere in the wasm heap, by XNNPACK: the one place that speaks with C++ about
 * tensor ids.
 */
import type { TensorInfo } from "@tensorflow/tfjs"
import type { WasmBackend } from "./wasm-backend.ts"

export interface Dimensions {
  readonly batch: number
  readonly m: number
  readonly k: number
  readonly n: number
}

/** Where `batch` matrices lie one behind the other. `id`: the tensor id under which XNNPACK may keep a packing. */
export interface Operand {
  readonly id: number
  readonly offset: number
}

export const operand = (backend: WasmBackend, tensor: TensorInfo): Operand => {
  const { id, memoryOffset } = backend.dataIdMap.get(tensor.dataId)
  return { id, offset: memoryOffset }
}

/** One call of C++ with matrices known by tensor ids. */
const multiplyIds = (backend: WasmBackend, shapes: number, a: number, b: number, out: number): void =>
  backend.wasm._BatchMatMul(a, shapes, 3, b, shapes + 12, 3, 0, 0, out)

/** out = a·b for every matrix of the batch; a [batch, m, k], b [batch, k, n], none transposed. */
export const multiply = (backend: WasmBackend, a: Operand, b: Operand, out: Operand, of: Dimensions): void => {
  const { batch, m, k, n } = of
  const { wasm } = backend
  const shapes = wasm._malloc(24) >>> 0
  new Int32Array(wasm.HEAPU8.buffer, shapes, 6).set([1, m, k, 1, k, n])
  if (batch === 1) {
    multiplyIds(backend, shapes, a.id, b.id, out.id)
  } else {
    const ids = [m * k, k * n, m * n].map((size) => ({ id: backend.dataIdNextNumber++, size }))
    const offsets = [a.offset, b.offset, out.offset]
    for (let i = 0; i < batch; i++) {
      ids.forEach(({ id, size }, j) => {
        wasm.tfjs.registerTensor(id, size, offsets[j]! + 4 * i * size)
      })
      multiplyIds(backend, shapes, ids[0]!.id, ids[1]!.id, ids[2]!.id)
      for (const { id } of ids) wasm.tfjs.disposeData(id)
    }
  }
  wasm._free(shapes)
}
