/**
 * Opens the wasm backend for training: SIMD, on all cores, with the kernels of `wasm-kernels.ts`. In Bun and Deno; a browser
 * has its own way (`browser.ts`). Results are the same bits for every number of threads.
 */
import os from "node:os"
import { BackendWasm } from "@tensorflow/tfjs-backend-wasm"
import { DeviceError, reasonOf } from "./device-error.ts"
import { onePerProcess, useBackend } from "./one-per-process.ts"
import type { OpenedWasm } from "./runtime.ts"
import { type WasmModule, wasmBackend } from "./wasm-backend.ts"
import { installWasmKernels } from "./wasm-kernels.ts"
import { simdModule, threadedModule, WORKER_SCRIPT } from "./wasm-module.ts"

/** emscripten's pool in tfjs' build has eight workers; more threads would wait for ever. */
const MOST_THREADS = 8

/** Workers start in 0.1 s; a loaded machine gets a hundred times that before training goes on with one thread. */
const START_TIMEOUT = 10_000

export interface WasmOptions {
  readonly threads: "auto" | number
  /** milliseconds that the workers have to start */
  readonly startTimeout?: number
  /** the script that runs a thread */
  readonly workerScript?: string
}

interface InstalledWasm extends OpenedWasm {
  readonly uninstall: () => void
}

const threadsOf = (threads: "auto" | number): number =>
  Math.max(1, Math.min(MOST_THREADS, threads === "auto" ? os.availableParallelism() : threads))

const moduleFor = async (options: WasmOptions): Promise<{ wasm: WasmModule; notice?: string }> => {
  const threads = threadsOf(options.threads)
  if (threads === 1) return { wasm: await simdModule() }
  try {
    const timeout = options.startTimeout ?? START_TIMEOUT
    return { wasm: await threadedModule(threads, timeout, options.workerScript ?? WORKER_SCRIPT) }
  } catch (cause) {
    const notice = `wasm runs on one thread instead of ${threads}: ${reasonOf(cause)}`
    return { wasm: await simdModule(), notice }
  }
}

const open = async (options: WasmOptions): Promise<InstalledWasm> => {
  const { wasm, notice } = await moduleFor(options)
  const backend = new BackendWasm(wasm as unknown as ConstructorParameters<typeof BackendWasm>[0])
  const { tfjs } = wasmBackend(backend).wasm
  await useBackend("wasm", backend) // sets up the stock kernels, which ours call
  return { threads: tfjs.getThreadsCount(), simd: true, notice, uninstall: installWasmKernels() }
}

/**
 * Opens the wasm backend and makes it tfjs' current one; the scope's end terminates its threads. If it is open already, that
 * one is used, with the threads it has.
 *
 * @example
 * const { threads } = yield* openWasm({ threads: "auto" })
 */
export const openWasm = onePerProcess<WasmOptions, InstalledWasm, DeviceError>(
  { backend: "wasm", open, close: (opened) => opened.uninstall() },
  (cause) =>
    new DeviceError({
      device: "wasm",
      site: "opening",
      reason: reasonOf(cause),
      remedy: "the cpu backend works everywhere"
    })
)
