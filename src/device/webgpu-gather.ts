/**
 * GatherV2 along the first axis, the look-up of embeddings, on the webgpu backend.
 *
 *   out[ids[…], …] = x[id, …]       x [n, …] float32, ids of any shape, int32
 *
 * tfjs' own binds the whole table, which a large vocabulary's does not allow: it is read in windows here, so that only
 * its upload must fit the device (`guardBuffers`). An id that is no row of x gives a row of NaN, where tfjs' own gives
 * 0: the ids are on the GPU, and nobody looks at them there. Other axes and types go to tfjs' own kernel.
 */
import { util, zeros } from "@tensorflow/tfjs"
import { webgpuEngineOf } from "../kernels/webgpu/engine.ts"
import { gatherOnWebgpu } from "../kernels/webgpu/gather.ts"
import type { Kernel } from "./webgpu-backend.ts"
import { bindingLimitOf } from "./webgpu-backend.ts"

export const gatherKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const { inputs, attrs, backend } = call
    const engine = webgpuEngineOf(backend)
    const [x, ids] = [inputs["x"]!, inputs["indices"]!]
    const axis = util.parseAxisParam(attrs["axis"] as number, x.shape)[0]!
    const taken = x.dtype === "float32" && ids.dtype === "int32" && axis === 0 && (attrs["batchDims"] ?? 0) === 0
    if (engine === undefined || !taken || x.shape[0] === 0) return stock(call)
    const shape = [...ids.shape, ...x.shape.slice(1)]
    if (shape.includes(0)) return zeros(shape)
    const out = engine.output(shape)
    const limit = bindingLimitOf(backend)
    const whole = util.sizeFromShape(x.shape) * 4 <= limit
    const partOf = (offset: number, size: number) => {
      backend.uploadToGPU(x.dataId)
      // which is no part of an arena: outputs and arenas of such a size are refused
      return { buffer: backend.tensorMap.get(x.dataId).resource!, offset, size }
    }
    gatherOnWebgpu(engine, {
      window: whole ? () => x : partOf,
      rows: x.shape[0]!,
      width: util.sizeFromShape(x.shape.slice(1)),
      ids,
      count: util.sizeFromShape(ids.shape),
      out,
      limit
    })
    return out
  }
