/**
 * Bounds the wait for the other processes. MPI_Init returns when all processes of the run have called it, and until then this one runs
 * no timer and no signal handler. So another thread measures the time; when it is over, the thread prints the reason and ends the
 * process, and with it the launcher ends the others.
 */
import { Worker } from "node:worker_threads"

// the process is killed: a good end would wait for the library
const script = `
const { parentPort, workerData: { text, milliseconds } } = require("node:worker_threads")
const { writeSync } = require("node:fs")
setTimeout(() => {
  writeSync(2, text)
  process.kill(process.pid, "SIGKILL")
}, milliseconds)
parentPort.postMessage("ready")
`

/** Starts the clock; resolves to a function that stops it. A runtime without worker threads waits without a bound. */
export const watchedStart = async (text: string, milliseconds: number): Promise<() => void> => {
  try {
    const worker = new Worker(script, { eval: true, workerData: { text, milliseconds } })
    await new Promise((resolve, reject) => {
      worker.once("message", resolve)
      worker.once("error", reject)
    })
    return () => void worker.terminate()
  } catch {
    return () => undefined
  }
}
