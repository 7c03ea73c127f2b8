/**
 * GatherV2 along the first axis, the look-up of embeddings, on the wasm backend. tfjs copies a number at a time there, with a division
 * for each; this copies rows.
 *
 *   out[i, …] = x[ids[i], …]       x [n, …] float32, ids of any shape, int32
 *
 * Other axes and types go to tfjs' own kernel, and so do ids that are no row of x: it says what is wrong with them. What is empty stays
 * here: tfjs' own gives it another shape, and never lets go of its operands.
 */
import { util } from "@tensorflow/tfjs"
import { declareKernel, read, write } from "../kernels/declaration.ts"
import { wasmEngineOf } from "../kernels/wasm/engine.ts"
import type { Kernel, KernelCall } from "./wasm-backend.ts"

const kernel = declareKernel({
  name: "gather",
  buffers: { x: read("f32"), ids: read("i32"), out: write("f32") },
  words: { rows: "u32", width: "u32" },
  split: { over: "rows", cost: ({ width }) => width }
})

/** Whether every id is one of so many rows. */
const areRows = ({ inputs, backend }: KernelCall, rows: number): boolean => {
  const { dataId, dtype, shape } = inputs["indices"]!
  const size = util.sizeFromShape(shape)
  if (dtype !== "int32" || size === 0) return dtype === "int32"
  const ids = new Int32Array(backend.wasm.HEAPU8.buffer, backend.dataIdMap.get(dataId).memoryOffset, size)
  return ids.every((id) => id >= 0 && id < rows)
}

export const gatherKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = wasmEngineOf(call.backend)
    const [x, ids] = [call.inputs["x"]!, call.inputs["indices"]!]
    const axis = util.parseAxisParam(call.attrs["axis"] as number, x.shape)[0]!
    if (engine === undefined || (call.attrs["batchDims"] ?? 0) !== 0 || !areRows(call, x.shape[axis]!))
      return stock(call)
    const shape = [...x.shape.slice(0, axis), ...ids.shape, ...x.shape.slice(axis + 1)]
    if (shape.includes(0)) return call.backend.makeOutput(shape, x.dtype)
    if (axis !== 0 || x.dtype !== "float32") return stock(call)
    const out = engine.output(shape)
    const [rows, width] = [util.sizeFromShape(ids.shape), util.sizeFromShape(x.shape.slice(1))]
    engine.run(kernel, { x, ids, out }, { rows, width })
    return out
  }
