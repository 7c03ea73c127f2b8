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
import type { Kernel, KernelCall } from "./webgpu-kernel.ts"

/** Only products of equal batches of float32 matrices; what is wrong with others, the stock kernel says. */
const canTake = ({ inputs, attrs }: KernelCall): boolean => {
  const [a, b] = [inputs["a"]!, inputs["b"]!]
  const inner = [a.shape.at(attrs["transposeA"] ? -2 : -1), b.shape.at(attrs["transposeB"] ? -1 : -2)]
  return (
    a.dtype === "float32" &&
    b.dtype === "float32" &&
    inner[0] === inner[1] &&
    tf.util.arraysEqual(a.shape.slice(0, -2), b.shape.slice(0, -2))
  )
}

const KINDS = { false: { false: "nn", true: "nt" }, true: { false: "tn", true: "tt" } } as const

export const matMulKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = webgpuEngineOf(call.backend)
    if (engine === undefined || !canTake(call)) return stock(call)
    const [a, b] = [call.inputs["a"]!, call.inputs["b"]!]
    const [transposeA, transposeB] = [call.attrs["transposeA"] === true, call.attrs["transposeB"] === true]
    const m = a.shape.at(transposeA ? -1 : -2)!
    const k = a.shape.at(transposeA ? -2 : -1)!
    const n = b.shape.at(transposeB ? -2 : -1)!
    const outer = a.shape.slice(0, -2)
    const batch = tf.util.sizeFromShape(outer)
    const shape = [...outer, m, n]
    if (batch * m * n * k === 0) return tf.zeros(shape)
    return multiply(engine, { kind: KINDS[`${transposeA}`][`${transposeB}`], m, n, k, a, b, batch }, shape)
  }
