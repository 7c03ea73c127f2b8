/**
 * The wasm backend in a browser. tfjs starts it by itself there, and fetches its binaries (`dist/*.wasm` of
 * @tensorflow/tfjs-backend-wasm); so are our kernels fetched (`src/kernels/wasm/*.wasm` of this package). `wasmFolder` is the URL of
 * a folder with both; without it each looks beside its own script. Our kernels run on the page's thread.
 */
import * as tf from "@tensorflow/tfjs"
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm"
import { messageOf } from "../boundary/index.ts"
import {
  installWasmEngine,
  installWasmKernels,
  kernelModuleFor,
  memoryOf,
  startEngine,
  wasmBackend
} from "../kernels/wasm/index.ts"
import { DeviceError } from "./device-error.ts"
import { onePerProcess } from "./one-per-process.ts"
import type { OpenedWasm, WasmChoice } from "./open.ts"

export interface BrowserWasmChoice extends WasmChoice {
  readonly wasmFolder?: string | undefined
}

type Opened = OpenedWasm & { readonly uninstall: () => void }

const REMEDY = "are the .wasm files of tfjs and of this package served in the folder that the option wasmFolder names?"

const noPool = () => Promise.reject(new Error("the page's thread is the only one"))

/** Absolute, with the slash at its end. */
const folderUrl = (folder: string): string => new URL(folder.replace(/\/?$/, "/"), globalThis.location?.href).href

const open = async ({ threads, deterministic, wasmFolder }: BrowserWasmChoice): Promise<Opened> => {
  const folder = wasmFolder === undefined ? undefined : folderUrl(wasmFolder)
  if (folder !== undefined) setWasmPaths(folder)
  if (threads !== "auto") setThreadsCount(threads)
  if (!(await tf.setBackend("wasm"))) throw new Error("tfjs could not start it")
  const backend = wasmBackend(tf.backend())
  const memory = memoryOf(backend.wasm)
  const shared = typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer
  const started = await startEngine(
    backend,
    await kernelModuleFor({ shared, fused: !deterministic, folder }),
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

export const openWasmInBrowser = onePerProcess<BrowserWasmChoice, Opened, DeviceError>(
  { backend: "wasm", open, close: (opened) => opened.uninstall() },
  (cause) => new DeviceError({ device: "wasm", site: "opening", reason: messageOf(cause), remedy: REMEDY })
)
