/** A worker of the wasm engine's pool, in Bun and Deno: takes part in every piece of work until it is told to end. */
import { parentPort, workerData } from "node:worker_threads"
import {
  DONE,
  FAILED,
  GENERATION,
  type Kernel,
  kernelNames,
  NEXT,
  SLEEPERS,
  takePart,
  WORDS,
  type Work
} from "./work.ts"

export interface WorkerStart {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  /** address of the words of `work.ts` */
  readonly address: number
  readonly thread: number
}

/** Rounds of looking for work before sleeping: some hundred microseconds, more than lies between two kernels of a step. */
const PATIENCE = 20_000

const { module, memory, address, thread } = workerData as WorkerStart
const { exports } = new WebAssembly.Instance(module, { env: { memory } })
const words = new Int32Array(memory.buffer, address, WORDS)
const work: Work = { words, address, kernels: kernelNames(module).map((name) => exports[name] as Kernel) }

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
