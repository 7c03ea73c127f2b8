/**
 * The wasm backend in a browser. tfjs starts it by itself there, and fetches its binaries (`dist/*.wasm` of
 * @tensorflow/tfjs-backend-wasm); so are our kernels fetched (`src/kernels/wasm/*.wasm` of this package). `wasmFolder` is the URL of
 * a folder with both; without it each looks beside its own script. In a worker of a page that is isolated (its server sends
 * Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy) our kernels run on several threads; elsewhere memory is not shared, or the
 * page's own thread, which may not wait for others, is the only one.
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

export interface BrowserWasmChoice extends WasmChoice {
  readonly wasmFolder?: string | undefined
}

type Opened = OpenedWasm & { readonly uninstall: () => void }

const REMEDY = "are the .wasm files of tfjs and of this package served in the folder that the option wasmFolder names?"

const noPool = () => Promise.reject(new Error("the page's thread is the only one"))

/** A step of the sizes that fit into wasm's 4 GiB does not feed more. */
const MOST_THREADS = 8
/** milliseconds that workers have to start */
const START_TIMEOUT = 10_000

/** Is memory shared here? tfjs takes its threaded build then, on whichever thread it is. */
const isolated = (): boolean => globalThis.crossOriginIsolated === true

/** Threads that may be had here, of those that are wished for. */
const threadsHere = (threads: WasmChoice["threads"]): number => {
  const { WorkerGlobalScope: worker } = globalThis as { readonly WorkerGlobalScope?: unknown }
  if (!isolated() || worker === undefined) return 1
  const wished = threads === "auto" ? (globalThis.navigator.hardwareConcurrency ?? 1) : threads
  return Math.max(1, Math.min(MOST_THREADS, wished))
}

/** Absolute, with the slash at its end. */
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

/** What emscripten sends a worker that is to be a thread, before all else. */
const isLoading = (message: unknown): boolean => {
  const { cmd, wasmMemory } = (message ?? {}) as { readonly cmd?: unknown; readonly wasmMemory?: unknown }
  return cmd === "load" && wasmMemory instanceof WebAssembly.Memory
}

/**
 * Starts tfjs with XNNPACK on this thread alone: threads run our own kernels, and of the threaded build only the shared memory is wanted.
 * Its pool is made by a C++ static initialiser from half of the cores, so that for this moment there are two. emscripten starts eight
 * workers nevertheless, and waits for them to load a script that is made of the text of a function. The text does not survive every minifier
 * (`typeof e !== "undefined"` becomes `e !== void 0`, where e is a variable outside the function): those workers fail, and the wait has
 * no end. Here the answer is given in their place. A page may start workers of its own meanwhile: they are none of this.
 */
const withOneThread = async <A>(start: () => Promise<A>): Promise<A> => {
  const { Worker: own, navigator } = globalThis
  class NoThread extends own {
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
    globalThis.Worker = own
    Reflect.deleteProperty(navigator, "hardwareConcurrency")
    if (tf.getBackend() === "wasm") {
      const { PThread: threads } = wasmBackend(tf.backend()).wasm
      for (const idle of threads?.unusedWorkers.splice(0) ?? []) idle.terminate()
    }
  }
}

export const openWasmInBrowser = onePerProcess<BrowserWasmChoice, Opened, DeviceError>(
  { backend: "wasm", open, close: (opened) => opened.uninstall() },
  openingError("wasm", REMEDY)
)
