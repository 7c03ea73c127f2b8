/**
 * Cast of integers and booleans to float32 on the webgpu backend.
 *
 * tfjs' own gives the integers themselves, under another name: its programs look up what a tensor's data really is, and
 * ours, which take what is called float32 for floats, would read the bits of integers (1 as 1.4e-45). Here they become
 * floats, once, by a product with 1. All other casts go to tfjs' own kernel.
 */
import type { TensorInfo } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import type { Kernel } from "./webgpu-backend.ts"

export const castKernel =
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
