/** The kernels that replace tfjs' own on the webgpu backend (`replaced-kernels.ts`). */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { installKernels, type KernelTable, plainProduct } from "../replaced-kernels.ts"
import { arithmeticKernels } from "./arithmetic.ts"
import type { Kernel, WebgpuBackend } from "./backend.ts"
import { webgpuEngineOf } from "./engine.ts"
import { gatherKernel } from "./gather.ts"
import { multiply } from "./product.ts"
import { segmentSumKernel } from "./segment-sum.ts"
import { meanKernel, sumKernel } from "./sums.ts"

/**
 * Cast of integers and booleans to float32 on the webgpu backend.
 *
 * tfjs' own gives the integers themselves, under another name: its programs look up what a tensor's data really is, and
 * ours, which take what is called float32 for floats, would read the bits of integers (1 as 1.4e-45). Here they become
 * floats, once, by a product with 1. All other casts go to tfjs' own kernel.
 */
const castKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const { backend } = call
    const renamed = stock(call)
    if (renamed.dtype !== "float32" || backend.tensorMap.get(renamed.dataId).dtype === "float32") return renamed
    const one = tf.scalar(1)
    const multiply = tf.getKernel("Multiply", "webgpu")!.kernelFunc as unknown as Kernel
    const floats: TensorInfo = multiply({ inputs: { a: renamed, b: one }, attrs: {}, backend })
    one.dispose()
    backend.disposeData(renamed.dataId)
    return floats
  }

// tfjs' matrix product on the webgpu engine, for every transposition and equal batches.
//
//   op(a)·op(b), a [batch, m, k] (or transposed), b [batch, k, n] (or transposed) → [batch, m, n]
//
// Batch dimensions that broadcast and other types than float32 go to tfjs' own kernel. An empty inner dimension gives
// zeros here, and an error of the GPU there.

const KINDS = { false: { false: "nn", true: "nt" }, true: { false: "tn", true: "tt" } } as const

const matMulKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = webgpuEngineOf(call.backend)
    const product = engine === undefined ? undefined : plainProduct(call)
    if (engine === undefined || product === undefined) return stock(call)
    const { transposeA, transposeB, shape, ...sizes } = product
    if (sizes.k === 0 || shape.includes(0)) return tf.zeros([...shape])
    return multiply(engine, { ...sizes, kind: KINDS[`${transposeA}`][`${transposeB}`] }, shape)
  }

const TABLE: KernelTable<WebgpuBackend> = {
  replaced: {
    ...arithmeticKernels,
    BatchMatMul: matMulKernel,
    GatherV2: gatherKernel,
    UnsortedSegmentSum: segmentSumKernel,
    Sum: sumKernel,
    Mean: meanKernel,
    Cast: castKernel
  }
}

/** Installs this package's kernels on the webgpu backend, and returns a function that uninstalls them. */
export const installWebgpuKernels = (): (() => void) => installKernels("webgpu", TABLE)
