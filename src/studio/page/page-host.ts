/** The host that is a worker of the page: nothing leaves the machine, and files are the browser's own. */
import type { Doing, Problem, Reply } from "../protocol/index.ts"
import { type Asking, type Host, HostError } from "./host.ts"
import type { PageRequest, Place, WorkerStart } from "./worker/messages.ts"

/** Isolates the page where its server does not, so that it computes on several threads (`isolating-worker.ts`). */

/** Tells a tab that it has been tried there: whoever loads the page past its service worker stays where they are. */
const TRIED = "tfjs-lora-pro isolation"

/** Reloads the page cross-origin isolated. Returns at once if it is, or if isolation is not possible or has been tried. */
export const isolate = async (): Promise<void> => {
  if (crossOriginIsolated || !isSecureContext || navigator.serviceWorker === undefined) return
  if (sessionStorage.getItem(TRIED) !== null) return
  sessionStorage.setItem(TRIED, "1")
  try {
    await navigator.serviceWorker.register(new URL("isolating-worker.js", document.baseURI))
    await navigator.serviceWorker.ready
  } catch {
    return // one thread, then
  }
  location.reload()
  await new Promise(() => {})
}

interface Waiting {
  readonly doing?: ((doing: Doing) => void) | undefined
  readonly event: (event: unknown) => void
  readonly end: (value: unknown) => void
  readonly fail: (problem: Problem) => void
}

/** What an address may say of the device: `?device=wasm&threads=2`. */
const placeOf = (address: URLSearchParams): Place => {
  const device = address.get("device")
  const threads = Number(address.get("threads"))
  return {
    base: new URL(".", document.baseURI).href,
    device: device === "wasm" || device === "webgpu" || device === "cpu" ? device : "auto",
    threads: Number.isInteger(threads) && threads > 0 ? threads : "auto"
  }
}

/** Files that are shown or saved; the oldest addresses are given up. */
const MOST_ADDRESSES = 100

export const openPageHost = (): Host => {
  const worker = new Worker(new URL("./worker/worker.ts", import.meta.url), { type: "module" })
  const waiting = new Map<number, Waiting>()
  let last = 0
  worker.postMessage({ setup: placeOf(new URLSearchParams(location.search)) } satisfies WorkerStart)
  worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => {
    const question = waiting.get(reply.id)
    if (question === undefined) return
    if ("doing" in reply) return question.doing?.(reply.doing)
    if ("event" in reply) return question.event(reply.event)
    waiting.delete(reply.id)
    if ("problem" in reply) question.fail(reply.problem)
    else question.end("value" in reply ? reply.value : undefined)
  }
  worker.onerror = ({ message }) => {
    const problem: Problem = {
      tag: "Gone",
      message: `the studio's worker has stopped: ${message || "reload the page"}`
    }
    for (const question of waiting.values()) question.fail(problem)
    waiting.clear()
  }
  /** Asks, and gives what takes the question back. */
  const ask = (of: (id: number) => PageRequest, listener: Waiting): (() => void) => {
    last += 1
    const id = last
    waiting.set(id, listener)
    worker.postMessage(of(id))
    return () => {
      if (waiting.delete(id)) worker.postMessage({ id, cancel: true } satisfies PageRequest)
    }
  }
  const promised = <A>(
    of: (id: number) => PageRequest,
    event: (event: unknown) => void = () => {},
    { signal, doing }: Asking = {}
  ) =>
    new Promise<A>((resolve, reject) => {
      const cancel = ask(of, {
        doing,
        event,
        end: (value) => resolve(value as A),
        fail: (problem) => reject(new HostError(problem))
      })
      signal?.addEventListener("abort", () => {
        cancel()
        reject(signal.reason)
      })
    })

  const addresses: Array<string> = []
  return {
    call: (call, input, asking) => {
      // from here on there is something to lose
      if (call === "start") void navigator.storage?.persist?.()
      return promised((id) => ({ id, call, input }), undefined, asking)
    },
    watch: (watch, input, watching) =>
      ask((id) => ({ id, watch, input }), {
        doing: watching.doing,
        event: (event) => watching.event(event as never),
        end: () => watching.end?.(),
        fail: (problem) => watching.end?.(new HostError(problem))
      }),
    store: (files, report) =>
      promised(
        (id) => ({ id, store: files }),
        (share) => report(share as number)
      ),
    urlOf: async (id, path) => {
      const blob = await promised<Blob>((questionId) => ({ id: questionId, file: `${id}/${path}` }))
      const address = URL.createObjectURL(blob)
      addresses.push(address)
      if (addresses.length > MOST_ADDRESSES) URL.revokeObjectURL(addresses.shift()!)
      return address
    }
  }
}
