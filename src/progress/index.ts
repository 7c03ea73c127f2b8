/**
 * Progress messages of code that may take more than a second or two: loading a model, initializing an adapter, writing a file. The code reports
 * its work without knowing the listener.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** Work in progress, and how much of it is done. */
export interface Working {
  readonly kind: "working"
  /** "loading the weights" */
  readonly what: string
  /** of `of`; without it no one knows how much there is to do */
  readonly done?: number
  /** total amount of work, in the same unit */
  readonly of?: number
  /** what is counted: "tensors", "MB" */
  readonly unit?: string
  /** finished parts are kept: the work resumes from them the next time */
  readonly isKept?: true
}

export type WorkListener = (event: Working) => Effect.Effect<void>

/** The key of the listener. Rooms below a run know one of the events that it takes; `run/progress.ts` knows all. */
export const LISTENER = "tfjs-lora-pro/Progress"

/** Listener of work in progress; default: does nothing. */
export const Work = Context.Reference<WorkListener>(LISTENER, { defaultValue: () => () => Effect.void })

/** Reports work in progress. Cheap: a listener decides how much of it is shown. */
export const working = (what: string, part: Omit<Working, "kind" | "what"> = {}): Effect.Effect<void> =>
  Effect.flatMap(Work, (tell) => tell({ kind: "working", what, ...part }))

/** One after another, saying before each how many are done. */
export const workingThrough = <A, B, E, R>(
  what: string,
  unit: string,
  all: ReadonlyArray<A>,
  act: (one: A, index: number) => Effect.Effect<B, E, R>
): Effect.Effect<ReadonlyArray<B>, E, R> =>
  Effect.forEach(all, (one, done) => Effect.andThen(working(what, { done, of: all.length, unit }), act(one, done)))

/** Milliseconds of Effect's clock since some moment, for durations: no change of the computer's time moves it. */
export const milliseconds: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)
