/**
 * The studio over HTTP:
 *
 *   GET  /…                     the page's own files
 *   POST /open                  {"code"} of the terminal's address → {"secret"}, which is sent with all that follows as `authorization: Bearer …`
 *   POST /sign                  {"path": "/files/…"} → {"address"}: that path, for whoever has the address, for minutes
 *   POST /call/VERB             a call: its input as JSON, its answer as JSON; a problem with status 400. Whoever accepts text/event-stream is told
 *                               what is done meanwhile: the answer is then the one event of a watch
 *   POST /watch/VERB            a watch: its events as server-sent ones, `event: doing` for what is done meanwhile, `event: problem` or `event: end`
 *                               at last
 *   PUT  /store/PATH            bytes of a file that was dropped, POST /store for the end of a drop (store.ts)
 *   GET  /files/RUN/…/FILE      a file of a run, an export or a study; `?download` to save it, `?zip` for a folder
 */

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Files } from "../../files/index.ts"
import { Work } from "../../progress/index.ts"
import { answer, events, type Handlers, problemIn, type Reported, telling } from "../engine/index.ts"
import { calls, type Problem, watches } from "../protocol/index.ts"
import type { Doorkeeper } from "./doorkeeper.ts"
import type { EngineClient } from "./engine-client.ts"
import { jsonOf, RequestRefused, segmentsOf } from "./requests.ts"
import type { Store } from "./store.ts"

export interface Routes<R> {
  readonly door: Doorkeeper
  /** called when someone was admitted: the earlier address no longer works */
  readonly onAdmitted: Effect.Effect<void, never, R>
  /** for which nothing is changed here; empty: the folder is trusted */
  readonly doubts: () => ReadonlyArray<string>
  /** what the server answers itself; the engine is asked for the rest */
  readonly handlers: Handlers<R>
  readonly engine: EngineClient
  /** a file of the page; undefined: not found */
  readonly page: (path: string) => Effect.Effect<Response | undefined>
  readonly store: Store
  readonly file: (path: string, search: URLSearchParams) => Effect.Effect<Response, never, R>
  readonly onBug: (text: string) => void
}

const json = (value: unknown, status = 200) => Response.json(value ?? null, { status })

const problemResponse = (problem: Problem) => json(problem, 400)

const notFound = () => new Response("not found\n", { status: 404 })

const KEEP_ALIVE = 15_000 // milliseconds
const encoder = new TextEncoder()

/**
 * Events as they come, no faster than they are read. A comment now and then keeps the connection, and tells the server of readers that are
 * gone.
 */
const eventResponse = (
  all: Stream.Stream<unknown, Problem>,
  run: (effect: Effect.Effect<void>, signal: AbortSignal) => Promise<unknown>
): Response => {
  const stop = new AbortController()
  let resumeWriting = () => {}
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      const isWanted = () => (controller.desiredSize ?? 0) > 0
      const enqueue = (text: string) => {
        if (!stop.signal.aborted) controller.enqueue(encoder.encode(text))
      }
      const write = (text: string) =>
        Effect.promise(async () => {
          enqueue(text)
          if (!stop.signal.aborted && !isWanted()) await new Promise<void>((resolve) => (resumeWriting = resolve))
        })
      const beat = setInterval(() => {
        if (isWanted()) enqueue(":\n\n")
      }, KEEP_ALIVE)
      const each = Stream.runForEach(all, (event) => write(`data: ${JSON.stringify(event ?? null)}\n\n`))
      // a slow reader gets fewer progress events
      const reporting = telling((doing) => {
        if (isWanted()) enqueue(`event: doing\ndata: ${JSON.stringify(doing)}\n\n`)
      }, 0)
      const ended = each.pipe(
        Effect.andThen(write("event: end\ndata: null\n\n")),
        Effect.catch((problem) => write(`event: problem\ndata: ${JSON.stringify(problem)}\n\n`)),
        Effect.provideService(Work, reporting)
      )
      run(ended, stop.signal).finally(() => {
        clearInterval(beat)
        if (!stop.signal.aborted) controller.close()
      })
    },
    pull: () => resumeWriting(),
    cancel: () => {
      stop.abort()
      resumeWriting()
    }
  })
  return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } })
}

/** Sent with every answer: nothing is loaded from elsewhere, nothing frames the page, and no type is guessed. */
const guarded = (response: Response): Response => {
  const headers = new Headers(response.headers)
  const policy =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
  if (!headers.has("content-security-policy")) headers.set("content-security-policy", policy)
  headers.set("x-content-type-options", "nosniff")
  headers.set("referrer-policy", "no-referrer")
  return new Response(response.body, { status: response.status, headers })
}

const Opening = Schema.Struct({ code: Schema.String })
const Signing = Schema.Struct({ path: Schema.String.check(Schema.isPattern(/^\/files\/[^?#]+$/)) })

const bodyOf = <A>(schema: Schema.Codec<A, unknown>, request: Request): Effect.Effect<A, RequestRefused> =>
  Effect.flatMap(jsonOf(request), (input) =>
    Schema.decodeUnknownEffect(schema)(input).pipe(
      Effect.mapError(({ message }) => new RequestRefused({ status: 400, message: message.replaceAll("\n", " ") }))
    )
  )

const USED =
  "This address works once and has already been used. The terminal shows a new one. Running the studio command again prints the file that contains it."

const changes = (table: object, verb: string): boolean =>
  Object.hasOwn(table, verb) && (table as Record<string, { readonly changes?: true }>)[verb]!.changes === true

/** Whether the caller reads events, and so progress. */
const readsEvents = ({ headers }: Request): boolean => headers.get("accept")?.includes("text/event-stream") === true

/** The handler of requests. */
export const routes = <R>({ door, onAdmitted, doubts, handlers, engine, page, store, file, onBug }: Routes<R>) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R | Files>()
    const runPromise = Effect.runPromiseExitWith(context)
    const onCause = (cause: unknown) => onBug(String(cause))

    const sent = (all: Stream.Stream<unknown, Reported, R | Files>): Response => {
      const reported = Stream.mapError(all, (error): Problem => {
        // the engine's problems keep the tags that they have there
        const tag = "tag" in error && typeof error.tag === "string" ? error.tag : error._tag
        return { tag, message: error.message }
      })
      return eventResponse(Stream.provideContext(reported, context), (effect, signal) =>
        Effect.runPromiseExit(effect, { signal }).then((exit) => problemIn(exit, onCause))
      )
    }
    const mayChange = Effect.suspend(() =>
      doubts().length === 0
        ? Effect.void
        : Effect.fail(
            new RequestRefused({
              status: 403,
              message: `This folder is open read-only until you trust it. It contains ${doubts().join("; ")}.`
            })
          )
    )
    const open = (request: Request) =>
      Effect.gen(function* () {
        const secret = door.admit((yield* bodyOf(Opening, request)).code)
        if (secret === undefined) return yield* new RequestRefused({ status: 403, message: USED })
        yield* onAdmitted
        return json({ secret })
      })
    const sign = (request: Request) =>
      Effect.map(bodyOf(Signing, request), ({ path }) => json({ address: door.signed(path) }))
    const call = (verb: string, request: Request) =>
      Effect.gen(function* () {
        const input = yield* jsonOf(request)
        if (changes(calls, verb)) yield* mayChange
        const isHere = Object.hasOwn(handlers.calls, verb)
        const reply: Effect.Effect<unknown, Reported, R> = isHere
          ? answer(handlers, verb, input)
          : engine.call(verb, input)
        return readsEvents(request) ? sent(Stream.fromEffect(reply)) : json(yield* reply)
      })
    const watch = (verb: string, request: Request) =>
      Effect.gen(function* () {
        const input = yield* jsonOf(request)
        if (changes(watches, verb)) yield* mayChange
        const isHere = Object.hasOwn(handlers.watches, verb)
        return sent(isHere ? events(handlers, verb, input) : engine.watch(verb, input))
      })
    const upload = (path: string, url: URL, request: Request) =>
      Effect.as(Effect.andThen(mayChange, store.write(path, url.searchParams.get("drop"), request)), json(null))
    const finish = (url: URL, request: Request) =>
      Effect.gen(function* () {
        yield* jsonOf(request)
        yield* mayChange
        return json({ source: yield* store.finish(url.searchParams.get("drop")) })
      })
    const routed = (
      request: Request,
      url: URL
    ): Effect.Effect<Response, { _tag: string; message: string }, R | Files> => {
      const [, first = "", rest = ""] = /^\/(\w+)(?:\/(.+))?$/.exec(url.pathname) ?? []
      const route = `${request.method} ${first}`
      if (route === "POST open") return open(request)
      if (route === "POST sign") return sign(request)
      if (route === "POST call") return call(rest, request)
      if (route === "POST watch") return watch(rest, request)
      if (route === "POST store") return finish(url, request)
      if (route === "PUT store") return upload(rest, url, request)
      if (route === "GET files") return file(rest, url.searchParams)
      if (request.method !== "GET") return Effect.succeed(notFound())
      const path = url.pathname === "/" ? ["index.html"] : segmentsOf(url.pathname.slice(1))
      return path === undefined
        ? Effect.succeed(notFound())
        : Effect.map(page(path.join("/")), (response) => response ?? notFound())
    }
    return async (request: Request): Promise<Response> => {
      const url = new URL(request.url)
      const stopped = door.stops(request, url)
      if (stopped !== undefined) return guarded(stopped)
      const exit = await runPromise(
        Effect.suspend(() => routed(request, url)).pipe(
          Effect.catchIf(
            (error) => error instanceof RequestRefused,
            ({ _tag, message, status }) => Effect.succeed(json({ tag: _tag, message }, status))
          )
        ),
        { signal: request.signal }
      )
      if (Exit.isSuccess(exit)) return guarded(exit.value)
      const problem = problemIn(exit, onCause)
      return guarded(problemResponse(problem ?? { tag: "Cancelled", message: "the request was cancelled" }))
    }
  })
