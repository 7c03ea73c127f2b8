/**
 * The wasm backend in a browser. tfjs starts it by itself there; its binaries must be reachable (tfjs' `setWasmPaths`), and so must
 * our kernels, which lie in `kernels/wasm/` of this package. Our kernels run on the page's thread.
 */
import * as tf from "@tensorflow/tfjs"
import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm"
import { kernelModuleFor } from "../kernels/wasm/binary.ts"
import { DeviceError, reasonOf } from "./device-error.ts"
import { onePerProcess } from "./one-per-process.ts"
import type { OpenedWasm, WasmChoice } from "./runtime.ts"
import { memoryOf, wasmBackend } from "./wasm-backend.ts"
import { installWasmEngine, startEngine } from "./wasm-engine.ts"
import { installWasmKernels } from "./wasm-kernels.ts"

type Opened = OpenedWasm & { readonly uninstall: () => void }

const noPool = () => Promise.reject(new Error("the page's thread is the only one"))

const open = async ({ threads, deterministic }: WasmChoice): Promise<Opened> => {
  if (threads !== "auto") setThreadsCount(threads)
  if (!(await tf.setBackend("wasm"))) throw new Error("tfjs could not start it; are its .wasm files served?")
  const backend = wasmBackend(tf.backend())
  const memory = memoryOf(backend.wasm)
  const shared = typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer
  const started = await startEngine(
    backend,
    await kernelModuleFor({ shared, fused: !deterministic }),
    memory,
    1,
    noPool
  )
  const simd = (await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")) === true
  const uninstallKernels = installWasmKernels()
  const uninstallEngine = installWasmEngine(backend, started)
  return {
    threads: 1,
    simd,
    notice: undefined,
    uninstall: () => {
      uninstallKernels()
      uninstallEngine()
    }
  }
}

export const openWasmInBrowser = onePerProcess<WasmChoice, Opened, DeviceError>(
  { backend: "wasm", open, close: (opened) => opened.uninstall() },
  (cause) => new DeviceError({ device: "wasm", site: "opening", reason: reasonOf(cause), remedy: "" })
)
