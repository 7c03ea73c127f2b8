/**
 * A socket for a server: `node:http`, which Bun, Deno and Node all have, in front of a function from requests to responses. Headers have
 * bounds of bytes and of time, an answer that no one reads is given up, and hanging up aborts the request.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { limit } from "../boundary/index.ts"
import { systemReason } from "../files/platform-reason.ts"
import { errorBody, refusal } from "./refusal.ts"

/** Nothing listens. */
export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  /** host and port */
  address: Schema.String,
  /** the system's, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `cannot listen on ${this.address}: ${this.reason}`
  }
}

export interface ListenOptions {
  /** a name or an address to listen on: "127.0.0.1", "0.0.0.0", "::1" */
  readonly host: string
  /** 0 to 65535; 0: one that is free */
  readonly port: number
  /** Whether the server ends: connections are closed after their answers then. */
  readonly isDraining: () => boolean
  /** seconds until all of a body has arrived that is no file; a handler of files bounds each piece itself, and has 0 here; default: the limit `serve-body-seconds` */
  readonly bodySeconds?: number
}

export interface Listening {
  /** "http://127.0.0.1:8000" */
  readonly url: string
  /** the one in use, also where 0 was asked for */
  readonly port: number
  /** Takes no more connections. */
  readonly stop: Effect.Effect<void>
}

/** What the system's codes mean of an address. */
const addressReasons: Readonly<Record<string, string | undefined>> = {
  EADDRINUSE: "another program listens there",
  EADDRNOTAVAIL: "this machine has no such address"
}

const HEADER_BYTES = 16 * 1024

/** How long an idle connection stays, in milliseconds: longer than proxies keep theirs, so that none is closed under a request. */
const IDLE = 75_000

/** Connections are looked at so often for those that are too slow, in milliseconds. */
const LOOKS = 1_000

/** What an unread body may bring after its refusal, so that a client that still writes can read why. */
const REST_BYTES = 64 * 2 ** 20
const REST_MILLISECONDS = 5_000

const headersOf = ({ rawHeaders }: IncomingMessage): Headers => {
  const headers = new Headers()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!)
  return headers
}

/** The body as it arrives: no more is read than is asked for. */
const bodyOf = (incoming: IncomingMessage): ReadableStream<Uint8Array> => {
  let open = true
  return new ReadableStream({
    start: (controller) => {
      const end = (act: () => void) => () => {
        if (!open) return
        open = false
        act()
      }
      incoming.on("data", (chunk: Uint8Array) => {
        if (!open) return
        controller.enqueue(chunk)
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause()
      })
      incoming.on(
        "end",
        end(() => controller.close())
      )
      incoming.on(
        "error",
        end(() => controller.error(new Error("the body broke off")))
      )
      incoming.on(
        "close",
        end(() => controller.error(new Error("the body broke off")))
      )
      incoming.pause()
    },
    pull: () => void incoming.resume(),
    cancel: () => {
      open = false
    }
  })
}

/** Reads on and forgets, for a while, so that the answer arrives; then the connection is closed. */
const forgetRest = (incoming: IncomingMessage): void => {
  let bytes = 0
  const close = () => incoming.socket?.destroy()
  const late = setTimeout(close, REST_MILLISECONDS)
  incoming.on("data", (chunk: Uint8Array) => {
    bytes += chunk.byteLength
    if (bytes > REST_BYTES) close()
  })
  for (const event of ["end", "close", "error"]) incoming.on(event, () => clearTimeout(late))
  incoming.resume()
}

/** Waits until the client has taken what was written; false: it has not in time, or has gone. */
const taken = (outgoing: ServerResponse): Promise<boolean> =>
  new Promise((resolve) => {
    const done = (ok: boolean) => () => {
      clearTimeout(late)
      outgoing.off("drain", drained)
      outgoing.off("close", closed)
      resolve(ok)
    }
    const drained = done(true)
    const closed = done(false)
    const late = setTimeout(closed, 1000 * limit("serve-reader-seconds"))
    outgoing.on("drain", drained)
    outgoing.on("close", closed)
  })

const write = async (response: Response, outgoing: ServerResponse, close: boolean): Promise<void> => {
  const headers: Record<string, string> = Object.fromEntries(response.headers)
  if (close) headers["connection"] = "close"
  if (response.body === null || outgoing.req.method === "HEAD") {
    outgoing.writeHead(response.status, headers).end()
    await response.body?.cancel()
    return
  }
  // a file says how long it is, and is not held
  const isStream = headers["content-length"] !== undefined || /^text\/event-stream/.test(headers["content-type"] ?? "")
  if (!isStream) {
    const bytes = new Uint8Array(await response.arrayBuffer())
    outgoing.writeHead(response.status, { ...headers, "content-length": `${bytes.byteLength}` })
    if (!outgoing.write(bytes) && !(await taken(outgoing))) return void outgoing.destroy()
    outgoing.end()
    return
  }
  outgoing.writeHead(response.status, headers)
  outgoing.flushHeaders()
  const reader = response.body.getReader()
  // of what writes seldom, a client that has gone is not noticed by its next write
  outgoing.once("close", () => void reader.cancel().catch(() => {}))
  while (true) {
    const { done, value } = await reader.read()
    if (done) return void outgoing.end()
    if (outgoing.destroyed || (!outgoing.write(value) && !(await taken(outgoing)))) {
      await reader.cancel()
      return void outgoing.destroy()
    }
  }
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i

/** Names of this machine: a page of elsewhere whose name leads here has another one. */
const isLocalName = (host: string | undefined): boolean => loopback.test((host ?? "localhost").replace(/:\d+$/, ""))

const misdirected = () =>
  Response.json(errorBody(refusal(421, "this server is for its own machine, and has no other name than localhost")), {
    status: 421
  })

const broken = () => Response.json(errorBody(refusal(400, "the request has no URL")), { status: 400 })

/** Serves until the scope ends. */
export const listen = (
  fetch: (request: Request) => Promise<Response>,
  { host, port, isDraining, bodySeconds = limit("serve-body-seconds") }: ListenOptions
): Effect.Effect<Listening, ListenError, Scope.Scope> =>
  Effect.gen(function* () {
    const bare = host.replace(/^\[(.*)\]$/, "$1")
    const named = bare.includes(":") ? `[${bare}]` : bare
    const isLocal = loopback.test(named)
    const answered = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
      const abort = new AbortController()
      outgoing.on("close", () => {
        if (!outgoing.writableFinished) abort.abort()
      })
      outgoing.on("error", () => abort.abort())
      const hasBody = incoming.method !== "GET" && incoming.method !== "HEAD"
      const url = URL.parse(incoming.url ?? "/", `http://${named}`)
      const respond = (): Promise<Response> | Response => {
        if (isLocal && !isLocalName(incoming.headers.host)) return misdirected()
        if (url === null) return broken()
        return fetch(
          new Request(url, {
            method: incoming.method ?? "GET",
            headers: headersOf(incoming),
            signal: abort.signal,
            ...(hasBody ? { body: bodyOf(incoming), duplex: "half" } : {})
          } as RequestInit)
        )
      }
      const response = await respond()
      if (outgoing.destroyed) return void (await response.body?.cancel())
      await write(response, outgoing, isDraining())
      if (hasBody && !incoming.readableEnded) forgetRest(incoming)
    }
    const own = yield* Effect.acquireRelease(
      Effect.callback<Server, ListenError>((resume) => {
        const server = createServer(
          {
            maxHeaderSize: HEADER_BYTES,
            keepAliveTimeout: IDLE,
            headersTimeout: 1000 * limit("serve-header-seconds"),
            requestTimeout: bodySeconds === 0 ? 0 : 1000 * (limit("serve-header-seconds") + bodySeconds),
            connectionsCheckingInterval: LOOKS
          },
          (incoming, outgoing) => {
            // a client that goes in the middle of anything is no bug
            answered(incoming, outgoing).catch(() => outgoing.destroy())
          }
        )
        server.on("error", (error) => {
          const reason =
            addressReasons[(error as NodeJS.ErrnoException).code ?? ""] ?? systemReason(error) ?? error.message
          resume(Effect.fail(new ListenError({ address: `${named}:${port}`, reason })))
        })
        server.listen(port, bare, () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
          // not every runtime says when the last one is closed
          setTimeout(() => resume(Effect.void), 500).unref()
        })
    )
    const { port: given } = own.address() as AddressInfo
    return {
      url: `http://${named}:${given}`,
      port: given,
      stop: Effect.sync(() => {
        own.close()
        own.closeIdleConnections()
      })
    }
  })
