/**
 * From messages to effects: decodes what a verb is given, runs its handler, and sends what comes of it. What carries the messages (a worker's
 * port, a pipe, HTTP) is the caller's.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Work, type WorkListener } from "../../progress/index.ts"
import { calls, type Doing, type Problem, type Reply, type Request, watches } from "../protocol/index.ts"
import type { Handlers, Reported } from "./handlers.ts"

/** A verb that this host does not have, or that was given what it does not take. */
export class VerbRefused extends Schema.TaggedError<VerbRefused>()("VerbRefused", {
  verb: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.verb}: ${this.reason}`
  }
}

const problemOf = (error: Reported): Problem => ({ tag: error._tag, message: error.message })

/** An internal error: its details go to `onBug`, and the message says where to look. */
const bug: Problem = {
  tag: "Bug",
  message:
    "internal error in tfjs-lora-pro; the terminal that runs the studio, or the browser's console, has the details"
}

interface Table {
  readonly [name: string]: { readonly input: Schema.Codec<unknown, unknown> }
}

const decoded = (table: Table, verb: string, input: unknown) =>
  Effect.gen(function* () {
    if (!Object.hasOwn(table, verb)) return yield* new VerbRefused({ verb, reason: "not a request of the studio" })
    return yield* Schema.decodeUnknownEffect(table[verb]!.input)(input).pipe(
      Effect.mapError(({ message }) => new VerbRefused({ verb, reason: message.replaceAll("\n", " ") }))
    )
  })

/** The handler of a verb, as a function of what was asked; the two tables give it its type. */
const handlerOf = <Out>(handlers: object, verb: string): ((input: unknown) => Out) | undefined =>
  Object.hasOwn(handlers, verb) ? (handlers as Record<string, (input: unknown) => Out>)[verb] : undefined

const absent = (verb: string) => new VerbRefused({ verb, reason: "not supported here" })

/** One call, answered. */
export const answer = <R>(
  { calls: handlers }: Pick<Handlers<R>, "calls">,
  verb: string,
  input: unknown
): Effect.Effect<unknown, Reported, R> =>
  Effect.gen(function* () {
    const request = yield* decoded(calls as unknown as Table, verb, input)
    const handler = handlerOf<Effect.Effect<unknown, Reported, R>>(handlers, verb)
    return yield* handler === undefined ? Effect.fail(absent(verb)) : handler(request)
  })

/** One watch, as its events. */
export const events = <R>(
  { watches: handlers }: Pick<Handlers<R>, "watches">,
  verb: string,
  input: unknown
): Stream.Stream<unknown, Reported, R> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const request = yield* decoded(watches as unknown as Table, verb, input)
      const handler = handlerOf<Stream.Stream<unknown, Reported, R>>(handlers, verb)
      return handler === undefined ? Stream.fail(absent(verb)) : handler(request)
    })
  )

/** The problem that a fiber ended with; null: it did what it should, or was cancelled. */
export const problemIn = (
  exit: Exit.Exit<unknown, Reported>,
  onBug: (cause: Cause.Cause<unknown>) => void
): Problem | null => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return null
  const failed = exit.cause.reasons.find(Cause.isFailReason)
  if (failed !== undefined) return problemOf(failed.error)
  onBug(exit.cause)
  return bug
}

/** Milliseconds between two tellings of the same work. */
const AGAIN = 200

/** Reports work in progress: new work at once, its progress no more often than it can be read. */
export const telling = (tell: (doing: Doing) => void, again = AGAIN): WorkListener => {
  let reported = { what: "", at: Number.NEGATIVE_INFINITY }
  // how far it is, until it is time to tell: where nothing more comes, that stays
  let next: Doing | undefined
  const say = (doing: Doing) => {
    next = undefined
    reported = { what: doing.what, at: performance.now() }
    tell(doing)
  }
  return ({ kind, ...doing }) =>
    Effect.sync(() => {
      // a run tells the same listener of its steps, of which a page has curves
      if (kind !== "working") return
      const wait = doing.what === reported.what ? reported.at + again - performance.now() : 0
      if (wait <= 0) return say(doing)
      if (next === undefined) setTimeout(() => next !== undefined && say(next), wait)
      next = doing
    })
}

export interface Answering {
  /** Takes a message; replies come by and by. */
  readonly take: (request: Request) => void
  /** Ends everything that is under way. */
  readonly end: Effect.Effect<void>
}

/** Answers messages by `handlers`, each in a fiber of its own. `send` is called with every reply. */
export const answering = <R>(
  handlers: Handlers<R>,
  send: (reply: Reply) => void,
  onBug: (cause: Cause.Cause<unknown>) => void
): Effect.Effect<Answering, never, R> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const running = new Map<number, Fiber.Fiber<unknown, Reported>>()
    const run = (id: number, effect: Effect.Effect<unknown, Reported, R>, replyOf: (value: unknown) => Reply) => {
      let isOver = false
      const tell = telling((doing) => {
        if (!isOver) send({ id, doing })
      })
      const reporting = Effect.provideService(effect, Work, tell)
      const fiber = Effect.runForkWith(context)(reporting)
      running.set(id, fiber)
      fiber.addObserver((exit) => {
        running.delete(id)
        isOver = true
        const problem = problemIn(exit, onBug)
        if (problem !== null) send({ id, problem })
        else if (Exit.isSuccess(exit)) send(replyOf(exit.value))
      })
    }
    return {
      take: (request) => {
        const { id } = request
        if ("cancel" in request) {
          const fiber = running.get(id)
          if (fiber !== undefined) Effect.runFork(Fiber.interrupt(fiber))
        } else if ("call" in request) {
          run(id, answer(handlers, request.call, request.input), (value) => ({ id, value }))
        } else {
          const all = Stream.runForEach(events(handlers, request.watch, request.input), (event) =>
            Effect.sync(() => send({ id, event }))
          )
          run(id, all, () => ({ id, end: true }))
        }
      },
      end: Effect.suspend(() => Fiber.interruptAll([...running.values()]))
    }
  })
