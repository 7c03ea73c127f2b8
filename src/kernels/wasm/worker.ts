/** A worker of the wasm engine's pool, in Bun and Deno: takes part in every piece of work until it is told to end. */
import { parentPort, workerData } from "node:worker_threads"
import { heapOf } from "../native/heap.ts"
import { openLibrary } from "../native/library.ts"
import type { ThreadStart } from "./threads.ts"
import { kernelNames, kernelsOf, stackOf, threadOf, WORDS, wordNumbers } from "./work.ts"

/** Data that a worker receives at its start. */
export interface WorkerStart extends ThreadStart {
  readonly thread: number
}

const { module, memory, address, native, thread } = workerData as WorkerStart
const words = new Int32Array(memory.buffer, address, WORDS)
// a memory that threads share stays where it is
const heap = native === undefined ? undefined : heapOf(openLibrary(native), memory)
const compiled = kernelsOf(module, memory, stackOf(address, thread))
const kernels = heap?.inPlaceOf(compiled, kernelNames(module)) ?? compiled

parentPort!.postMessage("ready")
threadOf(wordNumbers, { words, address, kernels }, thread).work()
