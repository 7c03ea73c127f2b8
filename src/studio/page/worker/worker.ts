/**
 * The script of the page's workers: one that answers, and one for each run that trains. The first message says which it is, and what follows
 * waits until it is ready.
 */
import { messageOf } from "../../../boundary/index.ts"
import type { PageRequest, StopRequest, WorkerStart } from "./messages.ts"

let role: Promise<(message: PageRequest | StopRequest) => void> | undefined

const begin = async ({ setup, run }: WorkerStart): Promise<(message: PageRequest | StopRequest) => void> => {
  if (run !== undefined) {
    const stop = await (await import("./trainer.ts")).openTrainingWorker(setup, run)
    return (message) => void ("stop" in message && stop(message))
  }
  const take = await (await import("./engine-worker.ts")).openEngineWorker(setup)
  return (message) => void ("id" in message && take(message))
}

addEventListener("message", async ({ data }: MessageEvent<WorkerStart | PageRequest | StopRequest>) => {
  if ("setup" in data) {
    role = begin(data)
    return
  }
  try {
    ;(await role)?.(data)
  } catch (cause) {
    if ("id" in data) postMessage({ id: data.id, problem: { tag: "NotOpened", message: messageOf(cause) } })
  }
})
