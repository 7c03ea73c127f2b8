/**
 * UnsortedSegmentSum, the gradient of gather (embeddings), which tfjs lacks on wasm:
 *
 *   out[s, …] = Σ over { i : ids[i] = s } of x[i, …]       x [n, …], ids [n] int32, out [segments, …]
 *
 * Rows whose id lies outside [0, segments) are dropped, as on tfjs' other backends. The sum runs in the order of the rows, so
 * equal inputs give equal bits. Float32 on the engine, integers in a loop.
 */
import { type TensorInfo, util } from "@tensorflow/tfjs"
import { declareKernel, read, write } from "../kernels/declaration.ts"
import { wasmEngineOf } from "../kernels/wasm/engine.ts"
import type { Kernel, WasmBackend } from "./wasm-backend.ts"

const kernel = declareKernel({
  name: "segmentSum",
  buffers: { x: read("f32"), ids: read("i32"), out: write("f32") },
  words: { rows: "u32", width: "u32", segments: "u32" },
  split: { over: "width", cost: ({ rows, segments }) => rows + segments, unit: 16 }
})

export const segmentSumKernel: Kernel = ({ inputs, attrs, backend }) => {
  const engine = wasmEngineOf(backend)
  const [x, ids] = [inputs["x"]!, inputs["segmentIds"]!]
  const segments = attrs["numSegments"] as number
  const rowShape = x.shape.slice(ids.shape.length)
  const out = backend.makeOutput([segments, ...rowShape], x.dtype)
  const [rows, width] = [util.sizeFromShape(ids.shape), util.sizeFromShape(rowShape)]
  if (engine === undefined || x.dtype !== "float32") sumIntegers(backend, x, ids, out, width)
  else if (segments * width > 0) engine.run(kernel, { x, ids, out }, { rows, width, segments })
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
