/**
 * Instantiates tfjs' wasm builds in Bun and Deno: the SIMD build, and for several threads the threaded SIMD build, whose memory
 * other threads can see.
 *
 * tfjs starts threads only in browsers (it needs `Blob` workers and switches the test off under Node), and what would run in them
 * is XNNPACK alone. Here threads run our own kernels (`src/kernels/wasm/threads.ts`), so of the threaded build only the shared memory is
 * wanted. Its pool is made by a C++ static initialiser from half of `os.cpus()` (it assumes hyper-threads): `os.cpus` is answered
 * such that the pool is this thread alone. emscripten starts eight workers nevertheless; they get a script that only says that it
 * has loaded (`wasm-worker.cjs`), and are ended.
 */
import { createRequire } from "node:module"
import os from "node:os"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { messageOf } from "../boundary/index.ts"
import type { WasmModule } from "../kernels/wasm/index.ts"

const require = createRequire(import.meta.url)
const PACKAGE = "@tensorflow/tfjs-backend-wasm"
const WORKER_SCRIPT = fileURLToPath(new URL("./wasm-worker.cjs", import.meta.url))

interface PthreadWorker {
  on(event: "error", listener: (cause: unknown) => void): void
  terminate(): unknown
}

/** What we pass to the factory; it becomes the module itself, so `PThread` is there before the promise resolves. */
interface FactoryOptions {
  locateFile(path: string): string
  mainScriptUrlOrBlob: string
  PThread?: { unusedWorkers: Array<PthreadWorker>; terminateAllThreads(): void }
}

type Factory = (options: FactoryOptions) => Promise<WasmModule>

const LISTENED = ["uncaughtException", "unhandledRejection"] as const

/** emscripten listens for uncaught errors of the whole process, and removes everybody's listeners at its end: undone here. */
export const keepingListeners = <A>(f: () => A): A => {
  const before = LISTENED.map((event) => process.listeners(event as "uncaughtException"))
  const result = f()
  LISTENED.forEach((event, i) => {
    process.removeAllListeners(event)
    for (const listener of before[i]!) process.on(event, listener)
  })
  return result
}

const instantiate = (build: string) => {
  const root = require.resolve(`${PACKAGE}/package.json`).replace("package.json", "")
  const script = `${root}wasm-out/${build}.js`
  const factory = require(script) as Factory
  const module: FactoryOptions = {
    locateFile: (path) =>
      path.endsWith(".worker.js")
        ? WORKER_SCRIPT
        : `${root}dist/${path.replace(/^tfjs-backend-wasm\.wasm$/, SIMD_BINARY)}`,
    mainScriptUrlOrBlob: script
  }
  return { module, ready: keepingListeners(() => factory(module)) }
}

/** The scalar build's loader runs the SIMD binary as well. */
const SIMD_BINARY = "tfjs-backend-wasm-simd.wasm"

/** Starts XNNPACK on this thread, and adds to the module what tfjs' own start-up adds. */
const start = (wasm: WasmModule): WasmModule => {
  wasm._init_with_threads_count(1)
  const started = () => {}
  wasm.tfjs = {
    init: started,
    initWithThreadsCount: started,
    getThreadsCount: wasm.cwrap("get_threads_count", "number", []) as () => number,
    registerTensor: wasm.cwrap("register_tensor", null, ["number", "number", "number"]),
    disposeData: wasm.cwrap("dispose_data", null, ["number"]),
    dispose: wasm.cwrap("dispose", null, [])
  }
  return wasm
}

/** With a memory of its own. */
export const simdModule = async (): Promise<WasmModule> => start(await instantiate("tfjs-backend-wasm").ready)

/** Fails when the first worker does; emscripten's own handler would throw into the event loop. */
const firstWorkerError = (workers: ReadonlyArray<PthreadWorker>): Promise<never> =>
  new Promise((_, reject) => {
    const fail = (cause: unknown) => reject(new Error(`a worker failed: ${messageOf(cause)}`))
    for (const worker of workers) {
      worker.on("error", fail)
      Object.defineProperty(worker, "onerror", { get: () => fail, set: () => {} })
    }
  })

/** Rejects after so many milliseconds, unless it is cleared. */
export const expired = (milliseconds: number) => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const promise = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer from the workers in ${milliseconds} ms`)), milliseconds)
  })
  return { promise, clear: () => clearTimeout(timer) }
}

/** With a memory that workers can share. Rejects, with every worker ended, when emscripten's do not start in time. */
export const sharedModule = async (timeout: number): Promise<WasmModule> => {
  const cpus = os.cpus
  const timer = expired(timeout)
  let started: ReturnType<typeof instantiate> | undefined
  try {
    os.cpus = () => Array<os.CpuInfo>(2).fill(cpus()[0]!)
    started = instantiate("tfjs-backend-wasm-threaded-simd")
    const pool = started.module.PThread
    const wasm = await Promise.race([started.ready, firstWorkerError(pool?.unusedWorkers ?? []), timer.promise])
    start(wasm)
    for (const idle of pool?.unusedWorkers.splice(0) ?? []) idle.terminate()
    return wasm
  } catch (cause) {
    started?.module.PThread?.terminateAllThreads()
    throw cause
  } finally {
    os.cpus = cpus
    timer.clear()
  }
}
