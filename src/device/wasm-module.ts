/**
 * Instantiates tfjs' wasm builds in Bun and Deno: the SIMD build for one thread, the threaded SIMD build for more.
 *
 * tfjs starts threads only in browsers (it needs `Blob` workers and switches the test off under Node). The same build runs
 * here with a worker file (`wasm-worker.cjs`), because emscripten's loader asks for nothing but `locateFile`. Its pool of
 * threads is made by a C++ static initialiser from half of `os.cpus()` (it assumes hyper-threads), and no later call changes
 * it: so `os.cpus` is answered differently while the module is instantiated.
 */
import { createRequire } from "node:module"
import os from "node:os"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { reasonOf } from "./device-error.ts"
import type { WasmModule } from "./wasm-backend.ts"

const require = createRequire(import.meta.url)
const PACKAGE = "@tensorflow/tfjs-backend-wasm"

/** The script that runs a thread. Another one is for tests of what happens when it does not start. */
export const WORKER_SCRIPT = fileURLToPath(new URL("./wasm-worker.cjs", import.meta.url))

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

const instantiate = (
  build: string,
  options: Omit<FactoryOptions, "mainScriptUrlOrBlob" | "locateFile">,
  worker: string
) => {
  const root = require.resolve(`${PACKAGE}/package.json`).replace("package.json", "")
  const script = `${root}wasm-out/${build}.js`
  const factory = require(script) as Factory
  const module = Object.assign(options, {
    locateFile: (path: string) =>
      path.endsWith(".worker.js") ? worker : `${root}dist/${path.replace(/^tfjs-backend-wasm\.wasm$/, SIMD_BINARY)}`,
    mainScriptUrlOrBlob: script
  }) as FactoryOptions
  return { module, ready: keepingListeners(() => factory(module)) }
}

/** The scalar build's loader runs the SIMD binary as well. */
const SIMD_BINARY = "tfjs-backend-wasm-simd.wasm"

/** Starts the threads, and adds to the module what tfjs' own start-up adds; tfjs' second start would ask for a second pool. */
const start = (wasm: WasmModule, threads: number): WasmModule => {
  wasm._init_with_threads_count(threads)
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

/** One thread, no workers. */
export const simdModule = async (): Promise<WasmModule> =>
  start(await instantiate("tfjs-backend-wasm", {}, WORKER_SCRIPT).ready, 1)

/** Fails when the first worker does; emscripten's own handler would throw into the event loop. */
const firstWorkerError = (workers: ReadonlyArray<PthreadWorker>): Promise<never> =>
  new Promise((_, reject) => {
    const fail = (cause: unknown) => reject(new Error(`a worker failed: ${reasonOf(cause)}`))
    for (const worker of workers) {
      worker.on("error", fail)
      Object.defineProperty(worker, "onerror", { get: () => fail, set: () => {} })
    }
  })

const expired = (milliseconds: number) => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const promise = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer from the workers in ${milliseconds} ms`)), milliseconds)
  })
  return { promise, clear: () => clearTimeout(timer) }
}

/** `threads` ≥ 2: this thread and threads − 1 workers. Rejects, with every worker ended, when they do not start in time. */
export const threadedModule = async (threads: number, timeout: number, worker: string): Promise<WasmModule> => {
  const cpus = os.cpus
  const timer = expired(timeout)
  let started: ReturnType<typeof instantiate> | undefined
  try {
    os.cpus = () => Array<os.CpuInfo>(2 * threads).fill(cpus()[0]!)
    started = instantiate("tfjs-backend-wasm-threaded-simd", {}, worker)
    const pool = started.module.PThread
    const wasm = await Promise.race([started.ready, firstWorkerError(pool?.unusedWorkers ?? []), timer.promise])
    start(wasm, threads)
    // emscripten loads eight workers whatever is needed
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
