/** A worker of the wasm engine's pool, in Bun and Deno: takes part in every piece of work until it is told to end. */
import { parentPort, workerData } from "node:worker_threads"
import { heapOf } from "../native/heap.ts"
import { openLibrary } from "../native/library.ts"
import type { ThreadStart } from "./threads.ts"
import { DONE, FAILED, GENERATION, kernelNames, kernelsOf, NEXT, SLEEPERS, takePart, WORDS, type Work } from "./work.ts"

export interface WorkerStart extends ThreadStart {
  readonly thread: number
}

/** Rounds of looking for work before sleeping: some hundred microseconds, more than lies between two kernels of a step. */
const PATIENCE = 20_000

const { module, memory, address, native, thread } = workerData as WorkerStart
const words = new Int32Array(memory.buffer, address, WORDS)
// a memory that threads share stays where it is
const heap = native === undefined ? undefined : heapOf(openLibrary(native), memory)
const own = kernelsOf(module, memory)
const work: Work = { words, address, kernels: heap?.inPlaceOf(own, kernelNames(module)) ?? own }

/** Waits until there is something to claim. */
const waitForWork = (): void => {
  for (let round = 0; round < PATIENCE; round++) if (Atomics.load(words, NEXT) > 0) return
  const seen = Atomics.load(words, GENERATION)
  Atomics.add(words, SLEEPERS, 1)
  if (Atomics.load(words, NEXT) <= 0) Atomics.wait(words, GENERATION, seen)
  Atomics.sub(words, SLEEPERS, 1)
}

parentPort!.postMessage("ready")
while (true) {
  waitForWork()
  try {
    if (takePart(work, thread) > 0) Atomics.notify(words, DONE)
  } catch {
    // a trap: a bug in a kernel. The chunk will never be counted, so the main thread must hear of it.
    Atomics.store(words, FAILED, 1)
    Atomics.notify(words, DONE)
  }
}
