/** The engine's pool of workers in Bun and Deno. */
import { Worker } from "node:worker_threads"
import { reasonOf } from "./device-error.ts"
import type { StartPool } from "./wasm-engine.ts"
import type { WorkerStart } from "./wasm-kernel-worker.ts"

/** Beside this file, with its ending: .ts in the repository, .js in the package. */
const SCRIPT = new URL(
  `./wasm-kernel-worker${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`,
  import.meta.url
)

const ready = (worker: Worker): Promise<void> =>
  new Promise((resolve, reject) => {
    worker.once("message", () => resolve())
    worker.once("error", (cause) => reject(new Error(`a worker failed: ${reasonOf(cause)}`)))
  })

const expired = (milliseconds: number) => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const promise = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer from the workers in ${milliseconds} ms`)), milliseconds)
  })
  return { promise, clear: () => clearTimeout(timer) }
}

/** Rejects, with every worker ended, when they do not start in `timeout` milliseconds. `script` is another one in tests alone. */
export const workerPool =
  (timeout: number, script: string | URL = SCRIPT): StartPool =>
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
