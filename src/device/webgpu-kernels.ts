/**
 * The kernels that replace tfjs' own on the webgpu backend, as a table, and their installation: while a webgpu device
 * is open, as `wasm-kernels.ts` has it for wasm.
 */
import * as tf from "@tensorflow/tfjs"
import { gatherKernel } from "./webgpu-gather.ts"
import type { Kernel } from "./webgpu-kernel.ts"
import { matMulKernel } from "./webgpu-matmul.ts"
import { meanKernel, sumKernel } from "./webgpu-reduce.ts"
import { segmentSumKernel } from "./webgpu-segment-sum.ts"

/** Each is made from the stock kernel, which keeps what ours does not take. */
const REPLACED = {
  BatchMatMul: matMulKernel,
  GatherV2: gatherKernel,
  UnsortedSegmentSum: segmentSumKernel,
  Sum: sumKernel,
  Mean: meanKernel
} satisfies Record<string, (stock: Kernel) => Kernel>

/** Installs the table; returns what undoes it. */
export const installWebgpuKernels = (): (() => void) => {
  const undo: Array<() => void> = []
  for (const [kernelName, make] of Object.entries(REPLACED)) {
    const stock = tf.getKernel(kernelName, "webgpu")
    if (stock === undefined)
      throw new Error(`tfjs' webgpu backend has no kernel ${kernelName}: expected version 4.22.0`)
    const kernel = make(stock.kernelFunc as unknown as Kernel)
    tf.unregisterKernel(kernelName, "webgpu")
    tf.registerKernel({ kernelName, backendName: "webgpu", kernelFunc: kernel as unknown as tf.KernelFunc })
    undo.push(() => {
      tf.unregisterKernel(kernelName, "webgpu")
      tf.registerKernel(stock)
    })
  }
  return () => {
    for (const step of undo) step()
  }
}
