/**
 * The host that is a server: calls and watches are POST requests, whose header has the secret that this page was opened with. It is in the
 * storage of the page's own origin, which other servers of the machine cannot read, and is worthless once the studio has ended.
 */
import type { Doing, Output, Problem } from "../protocol/index.ts"
import { type Host, HostError, type Watching } from "./host.ts"

const GONE: Problem = { tag: "Gone", message: "The studio does not respond. Is its command still running?" }

/** Asked for, a call tells what is done for it too. */
const EVENTS = "text/event-stream"

const failure = async (response: Response): Promise<HostError> => {
  const text = await response.text()
  try {
    return new HostError(JSON.parse(text) as Problem)
  } catch {
    return new HostError({ tag: "Refused", message: text.trim() })
  }
}

const SECRET = "studio-secret"

/** A browser may keep nothing for this page, as in a private window. */
let secret: string | undefined
const storedSecret = (): string | undefined => {
  try {
    return localStorage.getItem(SECRET) ?? undefined
  } catch {
    return undefined
  }
}
const keep = (value: string) => {
  secret = value
  try {
    localStorage.setItem(SECRET, value)
  } catch {
    // for as long as the page is open
  }
}

const ask = async (path: string, init: RequestInit): Promise<Response> => {
  const authorization = secret === undefined ? {} : { authorization: `Bearer ${secret}` }
  const headers = { ...(init.headers as Record<string, string> | undefined), ...authorization }
  const response = await fetch(path, { ...init, headers }).catch((error: unknown) => {
    if (init.signal?.aborted === true) throw error
    throw new HostError(GONE)
  })
  if (!response.ok) throw await failure(response)
  return response
}

const post = (path: string, input: unknown, signal?: AbortSignal) =>
  ask(path, {
    method: "POST",
    headers: { "content-type": "application/json", accept: EVENTS },
    body: JSON.stringify(input),
    ...(signal === undefined ? {} : { signal })
  })

/** The parts of a stream of server-sent events. */
async function* sentEvents(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal
): AsyncGenerator<{ type: string; data: unknown }> {
  // a large event comes in many pieces, and is put together once
  let pieces: ReadonlyArray<string> = []
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader()
  while (true) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      if (signal.aborted) throw error
      throw new HostError(GONE)
    })
    if (done) return
    const isOpen = !`${pieces.at(-1)?.slice(-1) ?? ""}${value}`.includes("\n\n")
    pieces = [...pieces, value]
    if (isOpen) continue
    const parts = pieces.join("").split("\n\n")
    pieces = [parts.pop()!]
    for (const part of parts) {
      const type = /^event: (.*)$/m.exec(part)?.[1] ?? "event"
      const data = /^data: (.*)$/m.exec(part)?.[1]
      if (data !== undefined) yield { type, data: JSON.parse(data) }
    }
  }
}

const NEVER = new AbortController().signal

/** Hears all of it; rejects with what was wrong, or where it broke off. */
const watched = async (path: string, input: unknown, watching: Watching<never>, signal: AbortSignal) => {
  const { body } = await post(path, input, signal)
  for await (const { type, data } of sentEvents(body!, signal)) {
    if (type === "doing") {
      watching.doing?.(data as Doing)
      continue
    }
    if (type === "problem") throw new HostError(data as Problem)
    if (type === "end") return
    watching.event(data as never)
  }
  // it broke off
  throw new HostError(GONE)
}

const each = (path: string) => path.split("/").map(encodeURIComponent).join("/")

/** A path of a file with a signature, for what sends no header. */
const signed = async (path: string): Promise<string> => {
  const response = await post("/sign", { path: `/files/${path}` })
  return ((await response.json()) as { readonly address: string }).address
}

const codeOf = (hash: string): string | undefined => /^#open=(.+)$/.exec(hash)?.[1]

/** The address of the terminal has a code, which works once: it leaves the browser's address at once, and becomes the secret. */
const enter = async (): Promise<void> => {
  const code = codeOf(location.hash)
  // another address of a terminal, opened in this tab
  addEventListener("hashchange", () => {
    if (codeOf(location.hash) !== undefined) location.reload()
  })
  secret = storedSecret()
  if (code === undefined) return
  history.replaceState(null, "", location.pathname)
  const entered = await post("/open", { code }).then(
    async (response) => ((await response.json()) as { readonly secret: string }).secret,
    // this browser may have used it before
    (error: unknown) => (secret === undefined ? Promise.reject(error) : secret)
  )
  keep(entered)
}

/** Rejects with a `HostError` where this page was not opened by an address of the terminal. */
export const openServerHost = async (): Promise<Host> => {
  await enter()
  return serverHost
}

const serverHost: Host = {
  call: async (name, input, { signal = NEVER, doing } = {}) => {
    let answer: unknown
    const event = (value: unknown) => {
      answer = value
    }
    await watched(`/call/${name}`, input, { event, doing }, signal)
    return answer as Output<typeof name>
  },
  watch: (name, input, watching) => {
    const stop = new AbortController()
    watched(`/watch/${name}`, input, watching as Watching<never>, stop.signal).then(
      () => watching.end?.(),
      (error: unknown) => {
        if (!stop.signal.aborted) watching.end?.(error as HostError)
      }
    )
    return () => stop.abort()
  },
  store: async (files, report) => {
    const bytes = files.reduce((sum, { file }) => sum + file.size, 0)
    // which files belong together
    const drop = [...crypto.getRandomValues(new Uint8Array(16))]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("")
    let sent = 0
    for (const { path, file } of files) {
      await ask(`/store/${each(path)}?drop=${drop}`, { method: "PUT", body: file })
      sent += file.size
      report(bytes === 0 ? 1 : sent / bytes)
    }
    const { source } = (await (await post(`/store?drop=${drop}`, {})).json()) as { readonly source: string }
    return source
  },
  urlOf: (id, path) => signed(`${each(id)}/${each(path)}`),
  zipOf: async (folder) => `${await signed(each(folder))}&zip`,
  urlsLast: 9 * 60_000
}
