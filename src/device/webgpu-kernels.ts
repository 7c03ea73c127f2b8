/** The kernels that replace tfjs' own on the webgpu backend (`replaced-kernels.ts`). */
import { installKernels, type KernelTable } from "./replaced-kernels.ts"
import type { WebgpuBackend } from "./webgpu-backend.ts"
import { castKernel } from "./webgpu-cast.ts"
import { gatherKernel } from "./webgpu-gather.ts"
import { matMulKernel } from "./webgpu-matmul.ts"
import { meanKernel, sumKernel } from "./webgpu-reduce.ts"
import { segmentSumKernel } from "./webgpu-segment-sum.ts"

const TABLE: KernelTable<WebgpuBackend> = {
  replaced: {
    BatchMatMul: matMulKernel,
    GatherV2: gatherKernel,
    UnsortedSegmentSum: segmentSumKernel,
    Sum: sumKernel,
    Mean: meanKernel,
    Cast: castKernel
  }
}

/** Installs the table; returns what undoes it. */
export const installWebgpuKernels = (): (() => void) => installKernels("webgpu", TABLE)
