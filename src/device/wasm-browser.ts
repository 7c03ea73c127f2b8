/**
 * The wasm backend in a browser. There, tfjs starts it by itself and fetches its binaries (`dist/*.wasm` of
 * @tensorflow/tfjs-backend-wasm); the kernels of this package (`src/kernels/wasm/*.wasm`) are fetched as well. `wasmFolder` is the URL of
 * a folder with both; by default each is loaded from the folder of its script. In a worker of an isolated page (its server sends
 * Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy) the kernels use several threads. Otherwise memory is not shared, or the
 * page's main thread, which must not wait for others, is the only one.
 */

import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm"
import * as tf from "@tensorflow/tfjs-core"
import { messageOf } from "../boundary/index.ts"
import {
  installWasmEngine,
  installWasmKernels,
  kernelModuleFor,
  memoryOf,
  pagePool,
  startEngine,
  wasmBackend
} from "../kernels/wasm/index.ts"
import { type DeviceError, openingError } from "./device-error.ts"
import { onePerProcess } from "./one-per-process.ts"
import type { OpenedWasm, WasmChoice } from "./open.ts"

/** Choice of a page, with the folder of the binaries. */
export interface BrowserWasmChoice extends WasmChoice {
  readonly wasmFolder?: string | undefined
}

type Opened = OpenedWasm & { readonly uninstall: () => void }

const REMEDY = "serve the .wasm files of tfjs and of this package in the folder of the option wasmFolder"

const noPool = () => Promise.reject(new Error("the page's thread is the only one"))

/** A step whose tensors fit into wasm's 4 GiB does not use more. */
const MOST_THREADS = 8
/** milliseconds that workers may take to start */
const START_TIMEOUT = 10_000

/** Checks whether memory is shared. tfjs then uses its threaded build, on any thread. */
const isolated = (): boolean => globalThis.crossOriginIsolated === true

/** Returns the number of threads available here, up to the requested one. */
const threadsHere = (threads: WasmChoice["threads"]): number => {
  const { WorkerGlobalScope: worker } = globalThis as { readonly WorkerGlobalScope?: unknown }
  if (!isolated() || worker === undefined) return 1
  const wished = threads === "auto" ? (globalThis.navigator.hardwareConcurrency ?? 1) : threads
  return Math.max(1, Math.min(MOST_THREADS, wished))
}

/** Makes a folder's URL absolute, with a final slash. */
const folderUrl = (folder: string): string => new URL(folder.replace(/\/?$/, "/"), globalThis.location?.href).href

const open = async ({ threads: wished, deterministic, wasmFolder }: BrowserWasmChoice): Promise<Opened> => {
  const folder = wasmFolder === undefined ? undefined : folderUrl(wasmFolder)
  const here = threadsHere(wished)
  if (folder !== undefined) setWasmPaths(folder)
  const start = () => tf.setBackend("wasm")
  if (!(await (isolated() ? withOneThread(start) : start()))) throw new Error("tfjs could not start it")
  const backend = wasmBackend(tf.backend())
  const memory = memoryOf(backend.wasm)
  const shared = typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer
  const module = await kernelModuleFor({ shared, fused: !deterministic, folder })
  const alone = () => startEngine(backend, module, memory, 1, noPool)
  let notice: string | undefined
  const started =
    shared && here > 1
      ? await startEngine(backend, module, memory, here, pagePool(START_TIMEOUT)).catch((cause: unknown) => {
          notice = `wasm runs on one thread instead of ${here}: ${messageOf(cause)}`
          return alone()
        })
      : await alone()
  const simd = (await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")) === true
  const uninstallKernels = installWasmKernels()
  const uninstallEngine = installWasmEngine(backend, started)
  return {
    threads: started.engine.threads,
    simd,
    notice,
    uninstall: () => {
      uninstallKernels()
      uninstallEngine()
    }
  }
}

/** Checks for the first message that emscripten sends to a worker that is to run a thread. */
const isLoading = (message: unknown): boolean => {
  const { cmd, wasmMemory } = (message ?? {}) as { readonly cmd?: unknown; readonly wasmMemory?: unknown }
  return cmd === "load" && wasmMemory instanceof WebAssembly.Memory
}

/**
 * Starts tfjs with XNNPACK on this thread only: threads run this package's kernels, so only the shared memory of the threaded build is used.
 * A C++ static initializer sizes its pool as half of the cores, so the number of cores is reported as two meanwhile. emscripten still starts
 * eight workers and waits until they have loaded a script built from the text of a function. Some minifiers break that text
 * (`typeof e !== "undefined"` becomes `e !== void 0`, where e is a variable outside the function): those workers fail, and the wait
 * never ends. Therefore this function replies in their place. Workers that the page itself starts meanwhile are not affected.
 */
const withOneThread = async <A>(start: () => Promise<A>): Promise<A> => {
  const { Worker: BrowserWorker, navigator } = globalThis
  class NoThread extends BrowserWorker {
    override postMessage(message: unknown, more?: Array<Transferable> | StructuredSerializeOptions): void {
      if (isLoading(message))
        queueMicrotask(() => this.dispatchEvent(new MessageEvent("message", { data: { cmd: "loaded" } })))
      else super.postMessage(message, more as StructuredSerializeOptions)
    }
  }
  setThreadsCount(1)
  globalThis.Worker = NoThread
  Object.defineProperty(navigator, "hardwareConcurrency", { value: 2, configurable: true })
  try {
    return await start()
  } finally {
    globalThis.Worker = BrowserWorker
    Reflect.deleteProperty(navigator, "hardwareConcurrency")
    if (tf.getBackend() === "wasm") {
      const { PThread: threads } = wasmBackend(tf.backend()).wasm
      for (const idle of threads?.unusedWorkers.splice(0) ?? []) idle.terminate()
    }
  }
}

/** Opens the wasm backend in a page and makes it tfjs's current one. */
export const openWasmInBrowser = onePerProcess<BrowserWasmChoice, Opened, DeviceError>(
  { backend: "wasm", open, close: (opened) => opened.uninstall() },
  openingError("wasm", REMEDY)
)
