/**
 * A server without its socket: a function from a request to its response, as Bun, Deno, Hono and most others take one, and the scope of its models.
 *
 * A request is validated step by step: route, key, place in the queue, body, fields, rows. A rejected request costs nothing more. If a client
 * disconnects, its unfinished work is cancelled: rows leave their batch, and generation stops at its next token.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { limit, overLimit } from "../boundary/index.ts"
import { milliseconds } from "../progress/index.ts"
import { type Connection, clientAt, holdings } from "./clients.ts"
import { generating } from "./generating.ts"
import { metrics } from "./metrics.ts"
import { AGAIN, bug, errorBody, overloaded, Refusal, refusal } from "./refusal.ts"
import type { Inside, Reply, Route } from "./route.ts"
import { restOf, routes, routesAt } from "./routes.ts"
import { scheduler } from "./scheduler.ts"
import { hasBearer } from "./secrets.ts"
import { type Named, type ServedModels, servedModels } from "./served.ts"

/** Models, permissions and batching of a server. */
export interface ServingOptions {
  /** runs to load at the start */
  readonly runs: ReadonlyArray<Named>
  /** the base model, if it has moved or for adapters that came without it */
  readonly base?: string | undefined
  /** folder from which clients may load runs while the server runs; default: they may not */
  readonly adapters?: string | undefined
  /** token with which clients may load and drop runs; default: no client may */
  readonly adminToken?: string | undefined
  /** key that clients must send; each of several keys counts as one client; default: no key is required and each address is a client */
  readonly apiKey?: string | ReadonlyArray<string> | undefined
  /** origins of web pages that may send requests; default: none */
  readonly cors?: ReadonlyArray<string>
  /** maximum number of rows computed together, at least 1; default 32 */
  readonly batchSize?: number
  /** time that an idle device waits for more rows after the first, in milliseconds; default 3 */
  readonly batchWait?: number
  /** called for each internal failure without its own message; default: writes to stderr */
  readonly onBug?: (report: string) => void
}

/** Models that answer requests. */
export interface Serving {
  /** Answers a request. Never rejects. `connection`: its connection, as `Bun.serve`, `Deno.serve` and `listen` pass it. */
  readonly fetch: (request: Request, connection?: Connection) => Promise<Response>
  /** the models that answer, by name */
  readonly models: ServedModels
  /** number of requests being answered or waiting */
  readonly active: () => number
  /** Stops accepting requests and waits up to `seconds` for pending ones, then aborts the rest. Returns whether all were answered. */
  readonly drain: (seconds: number) => Effect.Effect<boolean>
}

const pathOf = (request: Request): string => URL.parse(request.url)?.pathname ?? "/"

/** "GET, HEAD" */
const methodsAt = (pathname: string): string =>
  routesAt(pathname)
    .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]))
    .join(", ")

/** Status counted for a request whose client has disconnected. */
const GONE = 499

const gone = refusal(GONE, "the client disconnected")

/** Maximum batches of decoded images that wait for the device. */
const DECODED = 2

/** Creates a server and loads its runs, which live as long as the scope. */
export const serving = ({
  runs,
  base,
  adapters,
  adminToken,
  apiKey,
  cors = [],
  batchSize = 32,
  batchWait = 3,
  onBug = console.error
}: ServingOptions) =>
  Effect.gen(function* () {
    const order = scheduler()
    const decoding = {
      turns: scheduler(),
      units: limit("serve-image-pixels"),
      ahead: yield* Semaphore.make(DECODED)
    }
    const counted = metrics()
    const models = yield* servedModels({
      turns: order,
      decoding,
      metrics: counted,
      batchSize,
      batchWait,
      base,
      adapters
    })
    for (const run of runs) yield* models.load(run)
    const keys = typeof apiKey === "string" ? [apiKey] : apiKey
    const waiters = holdings("serve-requests")
    const texts = yield* generating(order, counted)
    const running = new Set<() => void>()
    let draining = false
    const waiting = () =>
      models.all().reduce((sum, { predict, embed }) => sum + (predict?.waiting() ?? 0) + (embed?.waiting() ?? 0), 0)
    const inside: Inside = {
      models,
      generating: texts,
      metrics: counted,
      bodies: {
        held: holdings("serve-waiting-bytes"),
        reading: scheduler({ places: Number.POSITIVE_INFINITY, each: 1 }),
        turns: order
      },
      pixels: holdings("serve-waiting-pixels"),
      isDraining: () => draining,
      metricsText: Effect.suspend(() =>
        counted.text({
          requests_active: running.size,
          rows_waiting: waiting(),
          turns_waiting: order.waiting(),
          texts_active: texts.active(),
          models: models.all().length
        })
      )
    }

    const may = (route: Route, request: Request): Refusal | undefined => {
      if (route.who === "anyone") return undefined
      if (route.who === "token") {
        if (adminToken === undefined)
          return refusal(403, "this server cannot load or drop models; start it with a token to allow that")
        return hasBearer(request, [adminToken])
          ? undefined
          : refusal(401, "expected Authorization: Bearer with the token")
      }
      if (keys === undefined || hasBearer(request, [...keys, adminToken])) return undefined
      return refusal(401, "expected Authorization: Bearer with the key", { code: "invalid_api_key" })
    }

    /** Returns the client for scheduling: its key's index, so that no key is revealed, or else its address. */
    const clientOf = (request: Request, connection: Connection | undefined): string => {
      const key = (keys ?? []).findIndex((candidate) => hasBearer(request, [candidate]))
      if (key >= 0) return `key ${key + 1}`
      return hasBearer(request, [adminToken]) ? "token" : clientAt(request, connection)
    }

    /** Returns the route of a request, unless it is rejected early. Takes a place in the queue, except for routes that always answer. */
    const admitted = (request: Request, pathname: string, client: string): Route | Refusal => {
      const here = routesAt(pathname)
      if (here.length === 0) {
        const known = [...new Set(routes.map(({ path }) => path))].join(", ")
        return refusal(404, `there is no ${pathname.slice(0, 100)}; there are ${known}`, { code: "not_found" })
      }
      const route = here.find(
        ({ method }) => method === request.method || (method === "GET" && request.method === "HEAD")
      )
      if (route === undefined) {
        return refusal(405, `${pathname.slice(0, 100)} supports ${methodsAt(pathname)}, not ${request.method}`)
      }
      const refused = may(route, request)
      if (refused !== undefined) return refused
      if (route.always === true) return route
      if (draining)
        return refusal(503, "the server is shutting down; send the request to another server", {
          code: "draining",
          retryAfter: AGAIN
        })
      return waiters.take(client, 1) ? route : overloaded("serve-requests", "waiting requests")
    }

    const headersFor = (request: Request): Headers => {
      const headers = new Headers({ "x-content-type-options": "nosniff", "cache-control": "no-store" })
      const origin = request.headers.get("origin")
      if (cors.length > 0) headers.set("vary", "origin")
      if (origin !== null && cors.includes(origin)) headers.set("access-control-allow-origin", origin)
      return headers
    }

    const refused = (refusal: Refusal, request: Request): Response => {
      const headers = headersFor(request)
      if (refusal.retryAfter !== null) headers.set("retry-after", `${refusal.retryAfter}`)
      if (refusal.status === 401) headers.set("www-authenticate", "Bearer")
      if (refusal.status === 405) headers.set("allow", methodsAt(pathOf(request)))
      // the rest of its body is not read
      if ([408, 413, 415].includes(refusal.status)) headers.set("connection", "close")
      return Response.json(errorBody(refusal), { status: refusal.status, headers })
    }

    /** Answers a browser's preflight request. */
    const preflight = (request: Request): Response => {
      const headers = headersFor(request)
      if (headers.has("access-control-allow-origin")) {
        headers.set("access-control-allow-methods", "GET, POST, DELETE")
        headers.set("access-control-allow-headers", request.headers.get("access-control-request-headers") ?? "")
        headers.set("access-control-max-age", "600")
      }
      return new Response(null, { status: 204, headers })
    }

    const failureOf = (cause: Cause.Cause<Refusal>): Refusal => {
      const failure = Result.getOrUndefined(Cause.findError(cause))
      if (failure instanceof Refusal) return failure
      if (Cause.hasInterruptsOnly(cause)) return gone
      onBug(Cause.pretty(cause))
      return bug
    }

    const eventsOf = (reply: Extract<Reply, { readonly events: unknown }>) =>
      reply.events.pipe(
        Stream.catchCause((cause) => Stream.make(JSON.stringify(errorBody(failureOf(cause))))),
        Stream.map((data) => `data: ${data}\n\n`),
        Stream.encodeText
      )

    const fetch: Serving["fetch"] = (request, connection) => {
      // the server calls this outside of any fiber, so no Clock is provided
      const began = performance.now()
      const pathname = pathOf(request)
      if (request.method === "OPTIONS") return Promise.resolve(preflight(request))
      const client = clientOf(request, connection)
      const route = admitted(request, pathname, client)
      if (route instanceof Refusal) {
        const count = counted.answered({
          route: routesAt(pathname)[0]?.path ?? "other",
          model: "",
          status: route.status,
          seconds: (performance.now() - began) / 1000
        })
        return Effect.runPromise(Effect.as(count, refused(route, request)))
      }
      const rest = restOf(route, pathname)
      const abort = new AbortController()
      const stop = () => abort.abort()
      running.add(stop)
      request.signal.addEventListener("abort", stop)
      let model = ""
      const called = {
        request,
        client,
        rest: rest ?? "",
        answeredBy: ({ name }: { readonly name: string }) => {
          model = name
        }
      }
      /** Runs once, when the answer has ended. */
      const ended = (scope: Scope.Closeable, status: number) =>
        Effect.suspend(() => {
          running.delete(stop)
          if (route.always !== true) waiters.give(client, 1)
          request.signal.removeEventListener("abort", stop)
          const seconds = (performance.now() - began) / 1000
          return Effect.andThen(
            Scope.close(scope, Exit.void),
            counted.answered({ route: route.path, model, status, seconds })
          )
        })
      const answer =
        rest === undefined
          ? Effect.fail(refusal(400, "the path is not a valid percent-encoding"))
          : route.answer(inside, called)
      // a client that hangs up interrupts the answer alone: what it holds is given back in any case
      const response = Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const bounded = answer.pipe(
            Effect.provideService(Scope.Scope, scope),
            Effect.timeoutOrElse({
              duration: 1000 * limit("serve-seconds"),
              orElse: () =>
                Effect.fail(refusal(504, `no response within ${overLimit("serve-seconds")}`, { code: "timeout" }))
            })
          )
          const exit = yield* Effect.exit(restore(bounded))
          if (Exit.isFailure(exit)) {
            const failure = failureOf(exit.cause)
            yield* ended(scope, failure.status)
            return refused(failure, request)
          }
          const reply = exit.value
          const headers = headersFor(request)
          if ("events" in reply) {
            headers.set("content-type", "text/event-stream; charset=utf-8")
            const events = eventsOf(reply).pipe(
              Stream.onExit((exit) => ended(scope, Exit.isSuccess(exit) ? 200 : GONE))
            )
            return new Response(Stream.toReadableStreamWith(events, Context.empty(), { signal: abort.signal }), {
              headers
            })
          }
          const status = reply.status ?? 200
          yield* ended(scope, status)
          if ("json" in reply) return Response.json(reply.json, { status, headers })
          headers.set("content-type", reply.type)
          return new Response(reply.text, { status, headers })
        })
      )
      return Effect.runPromise(response, { signal: abort.signal }).catch(() => refused(gone, request))
    }

    const drain: Serving["drain"] = (seconds) =>
      Effect.gen(function* () {
        draining = true
        const deadline = (yield* milliseconds) + 1000 * seconds
        while (running.size > 0 && (yield* milliseconds) < deadline) yield* Effect.sleep("20 millis")
        const whole = running.size === 0
        for (const stop of running) stop()
        for (let i = 0; running.size > 0 && i < 50; i++) yield* Effect.sleep("20 millis")
        return whole
      })

    const server: Serving = { fetch, models, active: () => running.size, drain }
    return server
  })
