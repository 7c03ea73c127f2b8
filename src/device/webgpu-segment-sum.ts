/**
 * UnsortedSegmentSum, the gradient of gather (embeddings), on the webgpu backend. tfjs' own transposes twice, adds up
 * with atomics, in any order, and takes integers for floats; this one sums the rows of each segment in their order, so
 * equal inputs give equal bits.
 *
 *   out[s, …] = Σ over { i : ids[i] = s } of x[i, …]       x [n, …] float32 or int32, ids [n] int32, out [segments, …]
 *
 * Rows whose id lies outside [0, segments) are dropped, as on tfjs' other backends. Other types go to tfjs' own kernel.
 */
import { util, zeros } from "@tensorflow/tfjs"
import { webgpuEngineOf } from "../kernels/webgpu/engine.ts"
import { segmentSumOnWebgpu } from "../kernels/webgpu/segment-sum.ts"
import type { Kernel } from "./webgpu-backend.ts"

export const segmentSumKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = webgpuEngineOf(call.backend)
    const [x, ids] = [call.inputs["x"]!, call.inputs["segmentIds"]!]
    if (engine === undefined || !(x.dtype === "float32" || x.dtype === "int32") || ids.dtype !== "int32")
      return stock(call)
    const segments = call.attrs["numSegments"] as number
    const rowShape = x.shape.slice(ids.shape.length)
    const shape = [segments, ...rowShape]
    if (x.shape.includes(0) || segments === 0) return zeros(shape, x.dtype)
    const out = engine.output(shape, x.dtype)
    const [rows, width] = [util.sizeFromShape(ids.shape), util.sizeFromShape(rowShape)]
    segmentSumOnWebgpu(engine, { x, ids, rows, width, segments, out })
    return out
  }
