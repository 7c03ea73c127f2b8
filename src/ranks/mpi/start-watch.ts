/**
 * A bound on the wait for the others to begin. MPI_Init comes back when all processes of the run are in it, and until then this one runs
 * nothing of its own: no timer, no signal's handler. So another thread has the clock; where it runs out, the thread says why and ends the
 * process, and with it its launcher ends the others.
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

/** Starts the clock. What it resolves to stops it. A runtime that gives it no thread waits without a bound. */
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
