/**
 * The server's side of its engine: a child process that is started with the first question, and again with the next one if it has ended.
 * A question that was under way then fails with a sentence.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isRecord } from "../../boundary/index.ts"
import { Work } from "../../progress/index.ts"
import { answering } from "../engine/answering.ts"
import { engineHandlers } from "../engine/index.ts"
import type { Doing, Problem, Reply, Request } from "../protocol/index.ts"
import type { Busy } from "./removal.ts"

/** The command that starts the engine. */
export interface EngineCommand {
  readonly runtime: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string | undefined>>
}

/** What the engine said of a question that it could not answer, in its words. */
class EngineProblem extends Schema.TaggedError<EngineProblem>()("EngineProblem", {
  tag: Schema.String,
  message: Schema.String
}) {}

/** Work on an answer is reported to the listener of the caller (`Work`). */
export interface EngineClient {
  readonly call: (verb: string, input: unknown) => Effect.Effect<unknown, EngineProblem>
  readonly watch: (verb: string, input: unknown) => Stream.Stream<unknown, EngineProblem>
  /** Ends the process, and what it holds on the device; the next question starts it again. */
  readonly end: Effect.Effect<void>
}

interface Waiting {
  readonly doing: (doing: Doing) => void
  readonly event: (event: unknown) => void
  readonly end: (value: unknown) => void
  readonly fail: (problem: Problem) => void
}

/** Milliseconds without a question after which the process ends, with the models that it holds. */
const IDLE = 10 * 60_000

const GONE: Problem = { tag: "EngineGone", message: "the studio's compute process has ended; try again" }

/** Tells whoever listens here what the engine says that it does. */
const relaying = Effect.map(Work, (tell) => (doing: Doing) => void Effect.runFork(tell({ kind: "working", ...doing })))

const problem = ({ tag, message }: Problem) => new EngineProblem({ tag, message: message })

export const engineClient = (
  { runtime, args, env }: EngineCommand,
  say: (line: string) => void,
  idle = IDLE
): Effect.Effect<EngineClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const waiting = new Map<number, Waiting>()
    let child: ChildProcessWithoutNullStreams | undefined
    let last = 0
    let rest: ReturnType<typeof setTimeout> | undefined

    const reply = (message: Reply) => {
      const question = waiting.get(message.id)
      if (question === undefined) return
      if ("doing" in message) return question.doing(message.doing)
      if ("event" in message) return question.event(message.event)
      waiting.delete(message.id)
      restWhenDone()
      if ("problem" in message) question.fail(message.problem)
      else question.end("value" in message ? message.value : undefined)
    }
    /** The next question starts another. */
    const stop = () => {
      const running = child
      child = undefined
      running?.stdin.end()
      running?.kill("SIGTERM")
    }
    const restWhenDone = () => {
      clearTimeout(rest)
      if (waiting.size > 0) return
      rest = setTimeout(stop, idle)
      rest.unref()
    }
    const started = (): ChildProcessWithoutNullStreams => {
      if (child !== undefined) return child
      const spawned = spawn(runtime, args, { env, stdio: ["pipe", "pipe", "pipe"] })
      child = spawned
      createInterface({ input: spawned.stdout }).on("line", (line) => reply(JSON.parse(line) as Reply))
      createInterface({ input: spawned.stderr }).on("line", say)
      const failAll = () => {
        if (child !== spawned) return
        child = undefined
        const unanswered = [...waiting.values()]
        waiting.clear()
        for (const question of unanswered) question.fail(GONE)
      }
      spawned.on("exit", failAll)
      spawned.on("error", failAll)
      // a pipe that breaks is told by the end of the process
      spawned.stdin.on("error", () => {})
      return spawned
    }
    const send = (message: Request) => void started().stdin.write(`${JSON.stringify(message)}\n`)
    /** Asks, and gives what takes the question back. */
    const ask = (
      question: { readonly call: string } | { readonly watch: string },
      input: unknown,
      listener: Waiting
    ) => {
      last += 1
      const id = last
      waiting.set(id, listener)
      clearTimeout(rest)
      send({ id, ...question, input })
      return Effect.sync(() => {
        if (waiting.delete(id) && child !== undefined) send({ id, cancel: true })
        restWhenDone()
      })
    }
    const end = Effect.sync(() => {
      clearTimeout(rest)
      stop()
    })
    yield* Effect.addFinalizer(() => end)
    return {
      call: (verb, input) =>
        Effect.flatMap(relaying, (doing) =>
          Effect.callback<unknown, EngineProblem>((resume) =>
            ask({ call: verb }, input, {
              doing,
              event: () => {},
              end: (value) => resume(Effect.succeed(value)),
              fail: (failed) => resume(Effect.fail(problem(failed)))
            })
          )
        ),
      watch: (verb, input) =>
        Stream.callback<unknown, EngineProblem>((queue) =>
          Effect.acquireRelease(
            Effect.map(relaying, (doing) =>
              ask({ watch: verb }, input, {
                doing,
                event: (event) => void Queue.offerUnsafe(queue, event),
                end: () => void Queue.endUnsafe(queue),
                fail: (failed) => void Queue.failCauseUnsafe(queue, Cause.fail(problem(failed)))
              })
            ),
            (cancel) => cancel
          )
        ),
      end
    }
  })

/** The same, with each run held for as long as the engine is asked of it. */
export const holdingRuns = (client: EngineClient, busy: Pick<Busy, "hold">): EngineClient => {
  const hold = (input: unknown) => {
    const id = isRecord(input) ? input["id"] : undefined
    return typeof id === "string" ? busy.hold(id, "is being asked") : Effect.void
  }
  return {
    ...client,
    call: (verb, input) => Effect.scoped(Effect.andThen(hold(input), client.call(verb, input))),
    watch: (verb, input) => Stream.unwrap(Effect.as(hold(input), client.watch(verb, input)))
  }
}

/**
 * The engine's side, a process of its own: messages on stdin and stdout, a line of JSON each. Kernels compute for long in one go, and the
 * server has to answer meanwhile. Answers until stdin ends. `onBug`: what is wrong in the program itself, for stderr.
 */
export const engineProcess = (onBug: (text: string) => void) =>
  Effect.gen(function* () {
    const { take, end } = yield* answering(
      engineHandlers,
      (reply) => void process.stdout.write(`${JSON.stringify(reply)}\n`),
      (cause) => onBug(String(cause))
    )
    const lines = createInterface({ input: process.stdin })
    yield* Effect.callback<void>((resume) => {
      // only the server of this package writes here
      lines.on("line", (line) => take(JSON.parse(line) as Request))
      lines.on("close", () => resume(Effect.void))
    })
    yield* end
  })
