/**
 * GatherV2 along the first axis, the look-up of embeddings, on the wasm backend. tfjs copies a number at a time there, with a division
 * for each; this copies rows.
 *
 *   out[i, …] = x[ids[i], …]       x [n, …] float32, ids of any shape, int32
 *
 * Other axes and types go to tfjs' own kernel, and so do ids that are no row of x: it says what is wrong with them. What is empty stays
 * here: tfjs' own gives it another shape, and never lets go of its operands.
 */
import { type TensorInfo, util } from "@tensorflow/tfjs-core"
import { declareKernel, read, write } from "../declaration.ts"
import type { Kernel, KernelCall, WasmBackend } from "./backend.ts"
import { wasmEngineOf } from "./engine.ts"

const gatherRows = declareKernel({
  name: "gather",
  sameBits: true,
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

/** Replacement of GatherV2, the look-up of embeddings. */
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
    engine.run(gatherRows, { x, ids, out }, { rows, width })
    return out
  }

const sumSegments = declareKernel({
  name: "segmentSum",
  sameBits: true,
  buffers: { x: read("f32"), ids: read("i32"), out: write("f32") },
  words: { rows: "u32", width: "u32", segments: "u32" },
  split: { over: "width", cost: ({ rows, segments }) => rows + segments, unit: 16 }
})

/**
 * UnsortedSegmentSum, the gradient of gather (embeddings), which tfjs lacks on wasm:
 *
 *   out[s, …] = Σ over { i : ids[i] = s } of x[i, …]       x [n, …], ids [n] int32, out [segments, …]
 *
 * Rows whose id is outside [0, segments) are dropped, as on tfjs' other backends. The sum runs in the order of the rows, so
 * equal inputs give equal bits. Float32 on the engine, integers in a loop.
 */
export const segmentSumKernel: Kernel = ({ inputs, attrs, backend }) => {
  const engine = wasmEngineOf(backend)
  const [x, ids] = [inputs["x"]!, inputs["segmentIds"]!]
  const segments = attrs["numSegments"] as number
  const rowShape = x.shape.slice(ids.shape.length)
  const out = backend.makeOutput([segments, ...rowShape], x.dtype)
  const [rows, width] = [util.sizeFromShape(ids.shape), util.sizeFromShape(rowShape)]
  if (engine === undefined || x.dtype !== "float32") sumIntegers(backend, x, ids, out, width)
  else if (segments * width > 0) engine.run(sumSegments, { x, ids, out }, { rows, width, segments })
  return out
}

const sumIntegers = (backend: WasmBackend, x: TensorInfo, ids: TensorInfo, out: TensorInfo, width: number): void => {
  const [from, index, to] = [x, ids, out].map(
    ({ dataId, shape }) =>
      new Int32Array(backend.wasm.HEAPU8.buffer, backend.dataIdMap.get(dataId).memoryOffset, util.sizeFromShape(shape))
  ) as [Int32Array, Int32Array, Int32Array]
  to.fill(0)
  for (let i = 0; i < index.length; i++) {
    const first = index[i]! * width
    if (first < 0 || first >= to.length) continue
    for (let j = 0; j < width; j++) to[first + j]! += from[i * width + j]!
  }
}
