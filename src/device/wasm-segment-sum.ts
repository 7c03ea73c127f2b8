/**
 * UnsortedSegmentSum, the gradient of gather (embeddings), which tfjs lacks on wasm:
 *
 *   out[s, …] = Σ over { i : ids[i] = s } of x[i, …]       x [n, …], ids [n] int32, out [segments, …]
 *
 * Rows whose id lies outside [0, segments) are dropped, as on tfjs' other backends. The sum runs in the order of the rows, so
 * equal inputs give equal bits.
 */
import { type TensorInfo, util } from "@tensorflow/tfjs"
import type { Kernel } from "./wasm-backend.ts"

export const segmentSumKernel: Kernel = ({ inputs, attrs, backend }) => {
  const [x, ids] = [inputs["x"]!, inputs["segmentIds"]!]
  const segments = attrs["numSegments"] as number
  const rowShape = x.shape.slice(ids.shape.length)
  const out = backend.makeOutput([segments, ...rowShape], x.dtype)
  const place = ({ dataId, shape }: TensorInfo) =>
    [backend.wasm.HEAPU8.buffer, backend.dataIdMap.get(dataId).memoryOffset, util.sizeFromShape(shape)] as const
  const numbers = (tensor: TensorInfo) =>
    tensor.dtype === "float32" ? new Float32Array(...place(tensor)) : new Int32Array(...place(tensor))
  const [from, index, to] = [numbers(x), numbers(ids), numbers(out)]
  const width = util.sizeFromShape(rowShape)
  to.fill(0)
  for (let i = 0; i < index.length; i++) {
    const segment = index[i]!
    if (segment < 0 || segment >= segments) continue
    for (let j = 0; j < width; j++) to[segment * width + j]! += from[i * width + j]!
  }
  return out
}
