/**
 * Generates texts with a served model. The events of a request are buffered ahead of their reader, so that a slow reader blocks neither the device
 * nor another request. Each token takes a turn of its own. Texts wait for a place fairly by client, some prompts of a request at a time.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { limit, overLimit } from "../boundary/index.ts"
import type { Device } from "../device/device.ts"
import { type GenerateOptions, type GenerationEvent, generate, type Prompt } from "../generation/index.ts"
import type { Metrics } from "./metrics.ts"
import { type Refusal, refusal } from "./refusal.ts"
import { type Scheduler, scheduler } from "./scheduler.ts"
import type { Served } from "./served.ts"

/** Generation of several prompts, interleaved on the device. */
export interface Generating {
  /**
   * Streams the events of prompts that a model continues, up to an `end` for each prompt. If the scope ends, generation stops at the next token.
   */
  readonly events: (
    client: string,
    served: Served,
    prompts: ReadonlyArray<Prompt>,
    options: GenerateOptions
  ) => Effect.Effect<Stream.Stream<GenerationEvent, Refusal>, never, Scope.Scope>
  /** number of texts being generated */
  readonly active: () => number
}

const tooLate = () =>
  refusal(504, `the text was not finished within ${overLimit("serve-seconds")}`, { code: "timeout" })

/** Creates the generation of a server. */
export const generating = (turns: Scheduler, metrics: Metrics): Effect.Effect<Generating, never, Device> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<Device>()
    const places = limit("serve-texts")
    const free = scheduler({ places })
    // prompts of one request that are written together: others find places between them
    const together = Math.max(1, Math.floor(places / 4))
    let active = 0
    return {
      active: () => active,
      events: (client, served, prompts, options) =>
        Effect.gen(function* () {
          const { run, prompts: cache } = served.writing!
          const events = yield* Queue.unbounded<GenerationEvent, Refusal | Cause.Done>()
          const counted = (event: GenerationEvent) =>
            event.kind === "text"
              ? Effect.void
              : Effect.all([
                  metrics.tokens(served.name, "prompt", event.promptTokens - event.cachedTokens),
                  metrics.tokens(served.name, "cached", event.cachedTokens),
                  metrics.tokens(served.name, "completion", event.ids.length)
                ])
          /** The prompts from `first` on. */
          const part = (first: number) => {
            const some = prompts.slice(first, first + together)
            const settings = {
              ...options,
              ...(options.seed === undefined ? {} : { seed: options.seed + first }),
              turn: <A, E, R>(pass: Effect.Effect<A, E, R>) =>
                turns.run({ client, kind: `${served.name} tokens`, units: () => some.length }, pass),
              ...(prompts.length === 1 ? { promptCache: cache } : {})
            }
            const stream = generate(run.adapted, some, settings).pipe(
              Stream.map((event) => ({ ...event, prompt: event.prompt + first })),
              Stream.runForEach((event) => Effect.andThen(counted(event), Queue.offer(events, event)))
            )
            const counting = Effect.acquireUseRelease(
              Effect.sync(() => {
                active += some.length
              }),
              () => stream,
              () =>
                Effect.sync(() => {
                  active -= some.length
                })
            )
            const units = () => some.length
            return free.run({ client, kind: "texts", units, places: Math.min(some.length, places) }, counting)
          }
          const generated = Effect.forEach(
            prompts.flatMap((_, i) => (i % together === 0 ? [i] : [])),
            part,
            { discard: true }
          )
          const settled = generated.pipe(
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
          yield* Effect.forkScoped(settled)
          return Stream.fromQueue(events)
        })
    }
  })
