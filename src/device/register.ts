/**
 * All side-effect imports of tfjs backends, and the only ones of the package. Importing this file registers the wasm backend's
 * factory and kernels; nothing is opened by it. The webgpu backend asks for `navigator.gpu` while it is imported, so it is
 * imported on demand, after the runtime has put its GPU there (`webgpu.ts`).
 */
import * as tf from "@tensorflow/tfjs-core"
import "@tensorflow/tfjs-backend-cpu"
import "@tensorflow/tfjs-backend-wasm"
import "./gradients.ts"

/**
 * The priority of a backend that is only taken by name (cpu has 1). tfjs would make wasm a program's default as soon as it is
 * imported, and then refuse to compute before `await tf.ready()`.
 */
export const BELOW_CPU = 0

const factory = tf.findBackendFactory("wasm")
if (factory && !("wasm" in tf.engine().registry)) {
  tf.removeBackend("wasm")
  tf.registerBackend("wasm", factory, BELOW_CPU)
}

export const importWebgpuBackend = () => import("@tensorflow/tfjs-backend-webgpu")
