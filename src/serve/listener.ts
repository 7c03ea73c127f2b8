/**
 * An HTTP listener: `node:http`, which Bun, Deno and Node all have, in front of a function from requests to responses. Headers are limited in bytes
 * and time, an answer that the client does not read is dropped, and a closed connection aborts its request.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { limit } from "../boundary/index.ts"
import { systemReason } from "../files/platform-reason.ts"
import type { Connection } from "./clients.ts"
import { errorBody, type Refusal, refusal } from "./refusal.ts"

/** Error of a server that cannot listen. */
export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  /** host and port */
  address: Schema.String,
  /** the system's reason, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `cannot listen on ${this.address}: ${this.reason}`
  }
}

/** Options of `listen`. */
export interface ListenOptions {
  /** host name or address to listen on: "127.0.0.1", "0.0.0.0", "::1" */
  readonly host: string
  /** port from 0 to 65535; 0: any free port */
  readonly port: number
  /** returns whether the server is shutting down, after which each connection closes with its answer */
  readonly isDraining: () => boolean
  /** seconds within which a whole body must arrive; 0: no limit, for a file handler that limits each piece itself; default: the limit `serve-body-seconds` */
  readonly bodySeconds?: number
}

/** A server that accepts connections. */
export interface Listening {
  /** address of the server: "http://127.0.0.1:8000" */
  readonly url: string
  /** the port in use, also if 0 was requested */
  readonly port: number
  /** Stops accepting connections. */
  readonly stop: Effect.Effect<void>
}

/** Meaning of the system's error codes for an address. */
const addressReasons: Readonly<Record<string, string | undefined>> = {
  EADDRINUSE: "another program uses this port",
  EADDRNOTAVAIL: "this machine does not have that address"
}

const HEADER_BYTES = 16 * 1024

/** Milliseconds that an idle connection stays open: longer than in proxies, so that none is closed during a request. */
const IDLE = 75_000

/** Milliseconds between checks for connections that are too slow. */
const LOOKS = 1_000

/** Maximum bytes of an unread body after its refusal, so that a client that still sends can read the reason. */
const REST_BYTES = 64 * 2 ** 20
const REST_MILLISECONDS = 5_000

const headersOf = ({ rawHeaders }: IncomingMessage): Headers => {
  const headers = new Headers()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!)
  return headers
}

/** Streams the body on demand. `leave`: discards the rest. */
const bodyOf = (incoming: IncomingMessage) => {
  let open = true
  const leave = () => {
    open = false
  }
  const stream = new ReadableStream<Uint8Array>({
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
        end(() => controller.error(new Error("the body is incomplete")))
      )
      incoming.on(
        "close",
        end(() => controller.error(new Error("the body is incomplete")))
      )
      incoming.pause()
    },
    pull: () => void incoming.resume(),
    cancel: leave
  })
  return { stream, leave }
}

/** Reads and discards for a while: a client that still sends can read the answer only if its connection stays open. */
const forgetRest = (incoming: IncomingMessage): Promise<void> =>
  new Promise((resolve) => {
    let bytes = 0
    const finish = () => {
      clearTimeout(late)
      resolve()
    }
    const late = setTimeout(finish, REST_MILLISECONDS)
    incoming.on("data", (chunk: Uint8Array) => {
      bytes += chunk.byteLength
      if (bytes > REST_BYTES) finish()
    })
    for (const event of ["end", "close", "error"]) incoming.on(event, finish)
    incoming.resume()
  })

/** Waits until the client has received the data; false: it timed out or disconnected. */
const writable = (outgoing: ServerResponse): Promise<boolean> =>
  new Promise((resolve) => {
    const finish = (ok: boolean) => () => {
      clearTimeout(late)
      outgoing.off("drain", drained)
      outgoing.off("close", closed)
      resolve(ok)
    }
    const drained = finish(true)
    const closed = finish(false)
    const late = setTimeout(closed, 1000 * limit("serve-reader-seconds"))
    outgoing.on("drain", drained)
    outgoing.on("close", closed)
  })

/** Writes a response. `rest`: waits until the request's body is read or discarded. */
const write = async (
  response: Response,
  outgoing: ServerResponse,
  close: boolean,
  rest: () => Promise<void>
): Promise<void> => {
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
    if (!outgoing.write(bytes) && !(await writable(outgoing))) return void outgoing.destroy()
    await rest()
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
    if (outgoing.destroyed || (!outgoing.write(value) && !(await writable(outgoing)))) {
      await reader.cancel()
      return void outgoing.destroy()
    }
  }
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i

/** Returns whether a host name is this machine's: a page from elsewhere whose name resolves to it has a different one. */
const isLocalName = (host: string | undefined): boolean => loopback.test((host ?? "localhost").replace(/:\d+$/, ""))

// nothing more is believed of such a connection
const refused = (refusal: Refusal) =>
  Response.json(errorBody(refusal), { status: refusal.status, headers: { connection: "close" } })

const misdirected = refusal(421, "this server only accepts requests from its own machine, addressed to localhost")
const broken = refusal(400, "the request has no URL")
const twoHosts = refusal(400, "the request has more than one Host header")
const unknownMethod = refusal(501, "the method is not supported; use GET or POST")

/** Methods that a `Request` cannot have. */
const isForbidden = (method: string | undefined): boolean => /^(CONNECT|TRACE|TRACK)$/i.test(method ?? "")

const hostsOf = ({ rawHeaders }: IncomingMessage): number =>
  rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === "host").length

/** Serves requests until the scope ends. */
export const listen = (
  fetch: (request: Request, connection: Connection) => Promise<Response>,
  { host, port, isDraining, bodySeconds = limit("serve-body-seconds") }: ListenOptions
): Effect.Effect<Listening, ListenError, Scope.Scope> =>
  Effect.gen(function* () {
    const bare = host.replace(/^\[(.*)\]$/, "$1")
    const urlHost = bare.includes(":") ? `[${bare}]` : bare
    const isLocal = loopback.test(urlHost)
    const respond = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
      const abort = new AbortController()
      outgoing.on("close", () => {
        if (!outgoing.writableFinished) abort.abort()
      })
      outgoing.on("error", () => abort.abort())
      const body = incoming.method === "GET" || incoming.method === "HEAD" ? undefined : bodyOf(incoming)
      const url = URL.parse(incoming.url ?? "/", `http://${urlHost}`)
      const respond = (): Promise<Response> | Response => {
        if (isForbidden(incoming.method)) return refused(unknownMethod)
        if (hostsOf(incoming) > 1) return refused(twoHosts)
        if (isLocal && !isLocalName(incoming.headers.host)) return refused(misdirected)
        if (url === null) return refused(broken)
        return fetch(
          new Request(url, {
            method: incoming.method ?? "GET",
            headers: headersOf(incoming),
            signal: abort.signal,
            ...(body === undefined ? {} : { body: body.stream, duplex: "half" })
          } as RequestInit),
          { address: incoming.socket.remoteAddress }
        )
      }
      const response = await respond()
      if (outgoing.destroyed) return void (await response.body?.cancel())
      const rest = async () => {
        if (body === undefined || incoming.readableEnded) return
        body.leave()
        await forgetRest(incoming)
      }
      await write(response, outgoing, isDraining(), rest)
    }
    const last = new WeakMap<object, Promise<void>>()
    /** Answers the requests of a connection in order. When it closes, requests that have not begun are dropped. */
    const inOrder = (incoming: IncomingMessage, outgoing: ServerResponse) => {
      const { socket } = incoming
      const before = last.get(socket) ?? Promise.resolve()
      // a client may leave at any moment
      const earlier = before
        .then(() => (socket.destroyed ? undefined : respond(incoming, outgoing)))
        .catch(() => void outgoing.destroy())
      last.set(socket, earlier)
    }
    const httpServer = yield* Effect.acquireRelease(
      Effect.callback<Server, ListenError>((resume) => {
        const server = createServer(
          {
            maxHeaderSize: HEADER_BYTES,
            keepAliveTimeout: IDLE,
            headersTimeout: 1000 * limit("serve-header-seconds"),
            requestTimeout: bodySeconds === 0 ? 0 : 1000 * (limit("serve-header-seconds") + bodySeconds),
            connectionsCheckingInterval: LOOKS
          },
          inOrder
        )
        server.on("connect", (_, socket) => socket.end("HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n\r\n"))
        server.on("error", (error) => {
          const reason =
            addressReasons[(error as NodeJS.ErrnoException).code ?? ""] ?? systemReason(error) ?? error.message
          resume(Effect.fail(new ListenError({ address: `${urlHost}:${port}`, reason })))
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
    const { port: boundPort } = httpServer.address() as AddressInfo
    return {
      url: `http://${urlHost}:${boundPort}`,
      port: boundPort,
      stop: Effect.sync(() => {
        httpServer.close()
        httpServer.closeIdleConnections()
      })
    }
  })
