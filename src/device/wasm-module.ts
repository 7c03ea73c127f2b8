/**
 * Instantiates tfjs's wasm builds in Bun and Deno: the SIMD build, and for several threads the threaded SIMD build, whose memory
 * is shared between threads.
 *
 * tfjs starts threads only in browsers (it needs `Blob` workers and disables the check in Node), and only XNNPACK would use
 * them. Here, threads run this package's kernels (`src/kernels/wasm/threads.ts`), so only the shared memory of the threaded build is
 * used. A C++ static initializer sizes its pool as half of `os.cpus()` (it assumes hyper-threads), so `os.cpus` is replaced
 * such that the pool is this thread only. emscripten still creates eight workers and waits until they have loaded a script: here
 * they are objects that report this at once, since starting eight threads takes 0.2 s of a core.
 */
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import os from "node:os"
import process from "node:process"
import type { WasmModule } from "../kernels/wasm/index.ts"

const require = createRequire(import.meta.url)
const PACKAGE = "@tensorflow/tfjs-backend-wasm"

/** Replaces a worker that would never be used. */
class NoThread {
  onmessage: ((event: { readonly data: unknown }) => void) | undefined
  on(): void {}
  unref(): void {}
  terminate(): void {}
  postMessage({ cmd }: { readonly cmd: string }): void {
    if (cmd === "load") queueMicrotask(() => this.onmessage?.({ data: { cmd: "loaded" } }))
  }
}

/** Reverts emscripten's replacement of the global workers by Node's, and makes it create `NoThread` objects. */
const withoutThreads = <A>(f: () => A): A => {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, "Worker")
  Object.defineProperty(globalThis, "Worker", { get: () => NoThread, set: () => {}, configurable: true })
  try {
    return f()
  } finally {
    if (descriptor === undefined) Reflect.deleteProperty(globalThis, "Worker")
    else Object.defineProperty(globalThis, "Worker", descriptor)
  }
}

/** The options become fields of the module itself. */
type Factory = (options: {
  readonly instantiateWasm: (
    imports: WebAssembly.Imports,
    receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void
  ) => WebAssembly.Exports
}) => Promise<WasmModule>

const LISTENED = ["uncaughtException", "unhandledRejection"] as const

/** Restores the process's listeners for uncaught errors: emscripten adds its own, and removes everyone's when it ends. */
export const keepingListeners = <A>(f: () => A): A => {
  const before = LISTENED.map((event) => process.listeners(event as "uncaughtException"))
  const result = f()
  LISTENED.forEach((event, i) => {
    process.removeAllListeners(event)
    for (const listener of before[i]!) process.on(event, listener)
  })
  return result
}

/** Compiled binaries by file name: a process that reopens wasm reuses the machine code. */
const binaries = new Map<string, Promise<WebAssembly.Module>>()

const compileBinary = (path: string): Promise<WebAssembly.Module> => {
  const binary = binaries.get(path) ?? readFile(path).then((bytes) => WebAssembly.compile(bytes))
  binaries.set(path, binary)
  return binary
}

const instantiate = async (build: string, binary: string): Promise<WasmModule> => {
  const root = require.resolve(`${PACKAGE}/package.json`).replace("package.json", "")
  const factory = require(`${root}wasm-out/${build}.js`) as Factory
  const module = await compileBinary(`${root}dist/${binary}`)
  return keepingListeners(() =>
    withoutThreads(() =>
      factory({
        instantiateWasm: (imports, receive) => {
          const instance = new WebAssembly.Instance(module, imports)
          receive(instance, module)
          return instance.exports
        }
      })
    )
  )
}

/** Starts XNNPACK on this thread, and adds the members that tfjs's own startup adds. */
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

/** Instantiates the module with non-shared memory. The loader of the scalar build also runs the SIMD binary. */
export const simdModule = async (): Promise<WasmModule> =>
  start(await instantiate("tfjs-backend-wasm", "tfjs-backend-wasm-simd.wasm"))

/** Returns a promise that rejects after `milliseconds` unless it is cleared. */
export const expired = (milliseconds: number) => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const promise = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer from the workers in ${milliseconds} ms`)), milliseconds)
  })
  return { promise, clear: () => clearTimeout(timer) }
}

const THREADED = "tfjs-backend-wasm-threaded-simd"

/** Instantiates the module with memory that workers can share. */
export const sharedModule = async (): Promise<WasmModule> => {
  const cpus = os.cpus
  try {
    os.cpus = () => Array<os.CpuInfo>(2).fill(cpus()[0]!)
    const wasm = start(await instantiate(THREADED, `${THREADED}.wasm`))
    wasm.PThread?.unusedWorkers.splice(0)
    return wasm
  } finally {
    os.cpus = cpus
  }
}
