/** The kernels that replace or complete tfjs' own on the wasm backend (`replaced-kernels.ts`). */
import { installKernels, type KernelTable } from "./replaced-kernels.ts"
import type { WasmBackend } from "./wasm-backend.ts"
import { gatherKernel } from "./wasm-gather.ts"
import { identityKernel } from "./wasm-identity.ts"
import { matMulKernel } from "./wasm-matmul.ts"
import { meanKernel, sumKernel } from "./wasm-reduce.ts"
import { segmentSumKernel } from "./wasm-segment-sum.ts"
import { transposeKernel } from "./wasm-transpose.ts"

const TABLE: KernelTable<WasmBackend> = {
  replaced: {
    BatchMatMul: matMulKernel,
    Identity: identityKernel,
    GatherV2: gatherKernel,
    Transpose: transposeKernel,
    Sum: sumKernel,
    Mean: meanKernel
  },
  added: { UnsortedSegmentSum: segmentSumKernel }
}

/** Installs the table; returns what undoes it. */
export const installWasmKernels = (): (() => void) => installKernels("wasm", TABLE)
