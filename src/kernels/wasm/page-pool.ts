/**
 * The wasm engine's workers in a page: started by a worker of the page, since a page's own thread may not wait for them. Their script is made
 * of the code that is here already, so that no bundler has to know of a further file.
 */
import type { StartPool } from "./threads.ts"
import { stackOf, threadOf, WORDS, wordNumbers } from "./work.ts"

interface PageThread {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  readonly address: number
  readonly stack: number
  readonly thread: number
  readonly words: number
  readonly numbers: typeof wordNumbers
}

/** All of the script but `threadOf`; refers to nothing but its argument. */
const begin = (thread: typeof threadOf) => {
  addEventListener("message", ({ data }: MessageEvent<PageThread>) => {
    const { module, memory, address } = data
    const { exports } = new WebAssembly.Instance(module, { env: { memory } })
    ;(exports["__stack_pointer"] as WebAssembly.Global).value = data.stack
    const kernels = WebAssembly.Module.exports(module)
      .filter(({ kind }) => kind === "function")
      .map(({ name }) => exports[name] as (args: number, chunk: number, scratch: number) => void)
    const words = new Int32Array(memory.buffer, address, data.words)
    postMessage("ready")
    thread(data.numbers, { words, address, kernels }, data.thread).work()
  })
}

const ready = (worker: Worker): Promise<void> =>
  new Promise((resolve, reject) => {
    worker.onmessage = () => resolve()
    worker.onerror = ({ message }) => reject(new Error(`a worker failed: ${message || "its script was blocked"}`))
  })

/** Starts the workers of a page. Rejects, after terminating every worker, if they do not start within `timeout` milliseconds. */
export const pagePool =
  (timeout: number): StartPool =>
  async ({ module, memory, address }, size) => {
    const script = URL.createObjectURL(new Blob([`(${begin})(${threadOf})`], { type: "text/javascript" }))
    const workers = Array.from({ length: size }, () => new Worker(script))
    const terminate = () => {
      for (const worker of workers) worker.terminate()
    }
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`workers did not start in ${timeout} ms`)), timeout)
      })
      const started = Promise.all(workers.map(ready))
      workers.forEach((worker, i) => {
        const thread = i + 1
        const stack = stackOf(address, thread)
        const start: PageThread = { module, memory, address, stack, thread, words: WORDS, numbers: wordNumbers }
        worker.postMessage(start)
      })
      await Promise.race([started, late])
      return { size, terminate }
    } catch (cause) {
      terminate()
      throw cause
    } finally {
      clearTimeout(timer)
      URL.revokeObjectURL(script)
    }
  }
