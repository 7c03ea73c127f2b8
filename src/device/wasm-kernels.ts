/**
 * The kernels that replace or complete tfjs' own on the wasm backend, as a table, and their installation. tfjs keeps kernels
 * in one global map per backend *name*; so they are installed when a wasm device opens and taken out when it closes, and a
 * program that opens wasm by itself later gets the stock ones.
 */
import * as tf from "@tensorflow/tfjs"
import type { Kernel } from "./wasm-backend.ts"
import { gatherKernel } from "./wasm-gather.ts"
import { identityKernel } from "./wasm-identity.ts"
import { matMulKernel } from "./wasm-matmul.ts"
import { meanKernel, sumKernel } from "./wasm-reduce.ts"
import { segmentSumKernel } from "./wasm-segment-sum.ts"
import { transposeKernel } from "./wasm-transpose.ts"

/** A kernel that tfjs has on wasm is made from the stock one; `UnsortedSegmentSum` it lacks there. */
const REPLACED = {
  BatchMatMul: matMulKernel,
  Identity: identityKernel,
  GatherV2: gatherKernel,
  Transpose: transposeKernel,
  Sum: sumKernel,
  Mean: meanKernel
} satisfies Record<string, (stock: Kernel) => Kernel>

const ADDED = { UnsortedSegmentSum: segmentSumKernel } satisfies Record<string, Kernel>

const register = (kernelName: string, kernel: Kernel): void =>
  tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: kernel as unknown as tf.KernelFunc })

/** Installs the table; returns what undoes it. The stock kernels must have been set up, that is, the backend be in use. */
export const installWasmKernels = (): (() => void) => {
  const undo: Array<() => void> = []
  for (const [name, make] of Object.entries(REPLACED)) {
    const stock = tf.getKernel(name, "wasm")
    if (stock === undefined) throw new Error(`tfjs' wasm backend has no kernel ${name}: expected version 4.22.0`)
    tf.unregisterKernel(name, "wasm")
    register(name, make(stock.kernelFunc as unknown as Kernel))
    undo.push(() => {
      tf.unregisterKernel(name, "wasm")
      tf.registerKernel(stock)
    })
  }
  for (const [name, kernel] of Object.entries(ADDED)) {
    if (tf.getKernel(name, "wasm") !== undefined) continue
    register(name, kernel)
    undo.push(() => tf.unregisterKernel(name, "wasm"))
  }
  return () => {
    for (const step of undo) step()
  }
}
