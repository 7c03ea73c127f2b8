/**
 * All side-effect imports of tfjs backends, and the only ones in the package. Importing this file registers the wasm backend's
 * factory and kernels without opening it. The webgpu backend reads `navigator.gpu` during its import, so it is
 * imported on demand, after the runtime has registered its GPU (`webgpu.ts`).
 */
import * as tf from "@tensorflow/tfjs-core"
import "@tensorflow/tfjs-backend-cpu"
import "@tensorflow/tfjs-backend-wasm"
import "./gradients.ts"

/**
 * Priority of backends that are only selected by name (cpu has 1). With tfjs's own priority, importing it would make wasm the default
 * backend of a program, which cannot compute before `await tf.ready()`.
 */
export const BELOW_CPU = 0

const factory = tf.findBackendFactory("wasm")
if (factory && !("wasm" in tf.engine().registry)) {
  tf.removeBackend("wasm")
  tf.registerBackend("wasm", factory, BELOW_CPU)
}

/** Imports tfjs's webgpu backend. */
export const importWebgpuBackend = () => import("@tensorflow/tfjs-backend-webgpu")
