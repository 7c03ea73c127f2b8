/** The engine's pool of workers in Bun and Deno. */
import { Worker } from "node:worker_threads"
import { type StartPool, WORKER_SCRIPT, type WorkerStart } from "../kernels/wasm/index.ts"
import { reasonOf } from "./device-error.ts"
import { expired } from "./wasm-module.ts"

const ready = (worker: Worker): Promise<void> =>
  new Promise((resolve, reject) => {
    worker.once("message", () => resolve())
    worker.once("error", (cause) => reject(new Error(`a worker failed: ${reasonOf(cause)}`)))
  })

/** Rejects, with every worker ended, when they do not start in `timeout` milliseconds. `script` is another one in tests alone. */
export const workerPool =
  (timeout: number, script: string | URL = WORKER_SCRIPT): StartPool =>
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
