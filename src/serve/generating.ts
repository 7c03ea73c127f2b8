/**
 * Texts that a served model goes on with: the events of one request, written ahead of their reader, so that a slow reader holds neither
 * the device nor another request. Each token has a turn of its own.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { limit, overLimit } from "../boundary/index.ts"
import type { Device } from "../device/device.ts"
import { type GenerateOptions, type GenerationEvent, generate, type Prompt } from "../generation/index.ts"
import type { Metrics } from "./metrics.ts"
import { type Refusal, refusal } from "./refusal.ts"
import type { Served } from "./served.ts"
import type { Turns } from "./turns.ts"

export interface Generating {
  /**
   * The events of prompts that a model goes on with, to an `end` for each. The scope's end stops what is written at its next token.
   */
  readonly events: (
    served: Served,
    prompts: ReadonlyArray<Prompt>,
    options: GenerateOptions
  ) => Effect.Effect<Stream.Stream<GenerationEvent, Refusal>, never, Scope.Scope>
  /** texts that are written now */
  readonly active: () => number
}

const tooLate = () => refusal(504, `the text was not written within ${overLimit("serve-seconds")}`, { code: "timeout" })

export const generating = (turns: Turns, metrics: Metrics): Effect.Effect<Generating, never, Device> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<Device>()
    const places = limit("serve-texts")
    const free = yield* Semaphore.make(places)
    let active = 0
    return {
      active: () => active,
      events: (served, prompts, options) =>
        Effect.gen(function* () {
          const { run, prompts: cache } = served.writing!
          const events = yield* Queue.unbounded<GenerationEvent, Refusal | Cause.Done>()
          const own = { ...options, turn: turns.run, ...(prompts.length === 1 ? { promptCache: cache } : {}) }
          const counted = (event: GenerationEvent) =>
            event.kind === "text"
              ? Effect.void
              : Effect.all([
                  metrics.tokens(served.name, "prompt", event.promptTokens - event.cachedTokens),
                  metrics.tokens(served.name, "cached", event.cachedTokens),
                  metrics.tokens(served.name, "completion", event.ids.length)
                ])
          const texts = Math.min(prompts.length, places) // no more are let in, but for a limit that was changed
          const written = Effect.acquireUseRelease(
            Effect.sync(() => {
              active += texts
            }),
            () =>
              generate(run.adapted, prompts, own).pipe(
                Stream.runForEach((event) => Effect.andThen(counted(event), Queue.offer(events, event)))
              ),
            () =>
              Effect.sync(() => {
                active -= texts
              })
          )
          const whole = written.pipe(
            free.withPermits(texts),
            Effect.mapError(({ _tag, message }) => refusal(_tag === "GenerationError" ? 400 : 500, message)),
            Effect.timeoutOrElse({
              duration: 1000 * limit("serve-seconds"),
              orElse: () => Effect.fail(tooLate())
            }),
            Effect.matchCauseEffect({
              onSuccess: () => Queue.end(events),
              onFailure: (cause) => Queue.failCause(events, cause)
            }),
            Effect.provideContext(context)
          )
          yield* Effect.forkScoped(whole)
          return Stream.fromQueue(events)
        })
    }
  })
