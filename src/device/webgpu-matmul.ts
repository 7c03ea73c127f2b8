/**
 * tfjs' matrix product on the webgpu engine, for every transposition and equal batches.
 *
 *   op(a)·op(b), a [batch, m, k] (or transposed), b [batch, k, n] (or transposed) → [batch, m, n]
 *
 * Batch dimensions that broadcast and other types than float32 go to tfjs' own kernel. An empty inner dimension gives
 * zeros here, and an error of the GPU there.
 */
import * as tf from "@tensorflow/tfjs"
import { webgpuEngineOf } from "../kernels/webgpu/engine.ts"
import { multiply } from "../kernels/webgpu/product.ts"
import { plainProduct } from "./plain-product.ts"
import type { Kernel } from "./webgpu-backend.ts"

const KINDS = { false: { false: "nn", true: "nt" }, true: { false: "tn", true: "tt" } } as const

export const matMulKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = webgpuEngineOf(call.backend)
    const product = engine === undefined ? undefined : plainProduct(call)
    if (engine === undefined || product === undefined) return stock(call)
    const { transposeA, transposeB, shape, ...sizes } = product
    if (sizes.k === 0 || shape.includes(0)) return tf.zeros([...shape])
    return multiply(engine, { ...sizes, kind: KINDS[`${transposeA}`][`${transposeB}`] }, shape)
  }
