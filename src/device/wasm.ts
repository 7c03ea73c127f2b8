/**
 * Opens the wasm backend for training: SIMD, on all cores, with this package's kernels (`src/kernels/wasm/`). For Bun, Deno and
 * Node; browsers use `browser.ts`. Results are bitwise identical for any number of threads.
 */
import { readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import os from "node:os"
import process from "node:process"
import { Worker } from "node:worker_threads"
import { BackendWasm } from "@tensorflow/tfjs-backend-wasm"
import { messageOf } from "../boundary/index.ts"
import {
  askForLargePages,
  heapOf,
  installWasmEngine,
  installWasmKernels,
  kernelModuleFor,
  memoryOf,
  openLibrary,
  outsideOf,
  type StartPool,
  startEngine,
  type WasmBackend,
  type WasmModule,
  type WorkerStart,
  wasmBackend,
  workerScript
} from "../kernels/wasm/index.ts"
import { checked } from "./compiled-file.ts"
import { DeviceError, openingError } from "./device-error.ts"
import { onePerProcess, useBackend } from "./one-per-process.ts"
import type { OpenedWasm, WasmChoice } from "./open.ts"
import { expired, sharedModule, simdModule } from "./wasm-module.ts"

const ready = (worker: Worker): Promise<void> =>
  new Promise((resolve, reject) => {
    worker.once("message", () => resolve())
    worker.once("error", (cause) => reject(new Error(`a worker failed: ${messageOf(cause)}`)))
  })

/** Starts the workers. Rejects and terminates them if they do not start within `timeout` milliseconds. Only tests replace `script`. */
const workerPool =
  (timeout: number, script: string | URL = workerScript()): StartPool =>
  async (start, size) => {
    const timer = expired(timeout)
    const workers: Array<Worker> = []
    const terminate = () => {
      for (const worker of workers) void worker.terminate()
    }
    try {
      for (let thread = 1; thread <= size; thread++) {
        const workerData: WorkerStart = { ...start, thread }
        workers.push(new Worker(script, { workerData }))
      }
      await Promise.race([Promise.all(workers.map(ready)), timer.promise])
      for (const worker of workers) worker.unref()
      return { size, terminate }
    } catch (cause) {
      terminate()
      throw cause
    } finally {
      timer.clear()
    }
  }

/** A step whose tensors fit into wasm's 4 GiB does not use more. */
const MOST_THREADS = 8

/** Workers start in 0.1 s; on a loaded machine, training waits a hundred times as long before it continues with one thread. */
const START_TIMEOUT = 10_000

/** Options of the wasm backend. */
export interface WasmOptions {
  readonly threads: WasmChoice["threads"]
  /** default true */
  readonly deterministic?: boolean
  /** the library whose machine code replaces the heavy kernels */
  readonly native?: WasmChoice["native"]
  /** milliseconds that the workers may take to start */
  readonly startTimeout?: number
  /** the script that runs a thread */
  readonly workerScript?: string
}

interface InstalledWasm extends OpenedWasm {
  readonly uninstall: () => void
}

const threadsOf = (threads: "auto" | number): number =>
  Math.max(1, Math.min(MOST_THREADS, threads === "auto" ? os.availableParallelism() : threads))

/** Bytes. Below this size Bun collects soon enough. */
const LARGE = 2 ** 30
/** Kernel outputs between two collections: about three steps of SmolLM2. */
const EVERY = 8_000

interface Runtime {
  readonly Bun?: { readonly gc: (now: boolean) => void }
}

/**
 * Collects Bun's garbage while the wasm memory is large. Bun counts that memory as part of its own heap and collects in proportion
 * to it, while tfjs keeps records of every operation: a step of SmolLM2 leaves 22 MB of small objects, of which hundreds of MB accumulated before
 * a collection. V8 counts them separately.
 */
const collectGarbage = (backend: WasmBackend, memory: WebAssembly.Memory): void => {
  const { Bun: runtime } = globalThis as Runtime
  if (runtime === undefined) return
  const makeOutput = backend.makeOutput.bind(backend)
  let made = 0
  backend.makeOutput = (...output) => {
    made++
    if (made >= EVERY) {
      made = 0
      if (memory.buffer.byteLength >= LARGE) runtime.gc(true)
    }
    return makeOutput(...output)
  }
}

/**
 * Returns the peak resident size of the process in bytes, as the system counts it: tfjs's own counts exclude the wasm heap. Linux's getrusage
 * counts the process that started this one, too, until exec.
 */
export const peakResidentBytes = (): number => {
  const status = process.platform === "linux" ? statusOf() : ""
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  return 1024 * (peak === undefined ? process.resourceUsage().maxRSS : Number(peak)) // both in kibibytes
}

const statusOf = (): string => {
  try {
    return readFileSync("/proc/self/status", "utf8")
  } catch {
    return "" // Deno without permission
  }
}

/** Registers tfjs's backend on a module as the current one, with this package's engine on the module's memory. */
const openModule = async (wasm: WasmModule, threads: number, options: WasmOptions): Promise<InstalledWasm> => {
  const backend = new BackendWasm(wasm as unknown as ConstructorParameters<typeof BackendWasm>[0])
  const wasmInternals = wasmBackend(backend)
  const pool = workerPool(options.startTimeout ?? START_TIMEOUT, options.workerScript)
  const fused = options.deterministic === false
  const module = await kernelModuleFor({ shared: threads > 1, fused, read: readKernels })
  const memory = memoryOf(wasm)
  collectGarbage(wasmInternals, memory)
  const library = options.native === undefined ? undefined : openLibrary(options.native)
  if (library !== undefined) askForLargePages(memory)
  const outside = library?.privateMemory && outsideOf(wasmInternals, library.privateMemory)
  const heap = library && heapOf(library, memory, outside)
  const started = await startEngine(wasmInternals, module, memory, threads, pool, heap)
  await useBackend("wasm", backend) // sets up the stock kernels, which ours call
  const uninstallKernels = installWasmKernels()
  const uninstallEngine = installWasmEngine(wasmInternals, started)
  return {
    threads,
    simd: true,
    instructions: library?.instructions,
    notice: undefined,
    uninstall: () => {
      uninstallKernels()
      uninstallEngine()
    }
  }
}

const readKernels = async (url: URL) => checked("wasm", url, await readFile(url))

const open = async (options: WasmOptions): Promise<InstalledWasm> => {
  const threads = threadsOf(options.threads)
  if (threads === 1) return openModule(await simdModule(), 1, options)
  try {
    return await openModule(await sharedModule(), threads, options)
  } catch (cause) {
    if (cause instanceof DeviceError) throw cause
    const notice = `wasm runs on one thread instead of ${threads}: ${messageOf(cause)}`
    return { ...(await openModule(await simdModule(), 1, options)), notice }
  }
}

/**
 * Opens the wasm backend and makes it tfjs's current one; closing the scope terminates its threads. If it is already open, returns
 * that one, with its number of threads.
 *
 * @example
 * import { Effect } from "effect"
 * import { openWasm } from "./wasm.ts"
 *
 * const threads = Effect.map(openWasm({ threads: "auto" }), (opened) => opened.threads)
 */
export const openWasm = onePerProcess<WasmOptions, InstalledWasm, DeviceError>(
  { backend: "wasm", open, close: (opened) => opened.uninstall() },
  openingError("wasm", "the cpu backend works everywhere")
)
