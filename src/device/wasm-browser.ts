/**
 * The wasm backend in a browser. tfjs starts it by itself there, threads included, where the page is cross-origin isolated;
 * only the kernels are ours. Its binaries must be reachable (tfjs' `setWasmPaths`).
 */
import * as tf from "@tensorflow/tfjs"
import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm"
import { DeviceError, reasonOf } from "./device-error.ts"
import { onePerProcess } from "./one-per-process.ts"
import type { OpenedWasm } from "./runtime.ts"
import { wasmBackend } from "./wasm-backend.ts"
import { installWasmKernels } from "./wasm-kernels.ts"

type Opened = OpenedWasm & { readonly uninstall: () => void }

const open = async ({ threads }: { readonly threads: "auto" | number }): Promise<Opened> => {
  if (threads !== "auto") setThreadsCount(threads)
  if (!(await tf.setBackend("wasm"))) throw new Error("tfjs could not start it; are its .wasm files served?")
  const running = wasmBackend(tf.backend()).wasm.tfjs.getThreadsCount()
  const simd = (await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")) === true
  return { threads: Math.max(1, running), simd, notice: undefined, uninstall: installWasmKernels() }
}

export const openWasmInBrowser = onePerProcess<{ readonly threads: "auto" | number }, Opened, DeviceError>(
  { backend: "wasm", open, close: (opened) => opened.uninstall() },
  (cause) => new DeviceError({ device: "wasm", site: "opening", reason: reasonOf(cause), remedy: "" })
)
