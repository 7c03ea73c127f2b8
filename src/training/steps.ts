/**
 * The training loop as a stream operator: batches in, a `StepReport` per optimizer step out.
 *
 * Evaluation, metrics, early stopping and a progress bar are taps on the stream; `Stream.take` limits the number of steps.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../adapters/index.ts"
import type { OptionsError } from "../../schemas/index.ts"
import type { BatchOf, Model, Network } from "../models/index.ts"
import type { OptimizerObstacle } from "../optimizers/index.ts"
import { milliseconds } from "../progress/index.ts"
import { Ranks } from "../ranks/index.ts"
import type { DiagnosticsReport, ProbeOptions } from "./diagnostics/report.ts"
import { openSession, type Session } from "./session.ts"
import type { SessionOptions } from "./session-options.ts"
import { NotFinite, type StepError, takeStep, takeSteps } from "./step.ts"
import type { StepReport } from "./step-report.ts"

/** Options for `steps`: reporting, and how often numbers are read from the device. */
export interface StepsOptions<E, R> {
  /**
   * Called with the steps whose numbers were read together. An interruption comes before or after both, so that the record and the
   * session agree. `seen`: diagnostics, if the step was probed.
   */
  readonly record?: (reports: ReadonlyArray<StepReport>, seen?: DiagnosticsReport) => Effect.Effect<void, E, R>
  /** Number of steps whose numbers are read together, from the next step on; default 1. See `takeSteps`. */
  readonly stepsPerRead?: (nextStep: number) => number
  /** Called with the number of each step before its work is dispatched; default: not called. */
  readonly begins?: (step: number) => void
  /** Probes the full gradient in the first of every `every` steps; those steps are read individually. Default: no probes. */
  readonly probe?: DueProbe
}

/** Schedule of probes: the first of every `every` steps. */
export type DueProbe = ProbeOptions & {
  /** number of steps between probes; the first is at step 1 */
  readonly every: number
}

/** What compares a step with the full gradient's: loaded where steps are probed. */
const probedSteps = Effect.promise(() => import("./diagnostics/probe.ts"))

/** Takes the next step of a session, with a probe if one is due. */
export const takeNextStep = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  probe?: DueProbe,
  begins?: (step: number) => void
): Effect.Effect<
  {
    /** report of the step */
    readonly report: StepReport
    /** diagnostics of the probe; absent if none was due */
    readonly diagnostics?: DiagnosticsReport
  },
  StepError
> =>
  probe === undefined || session.step % probe.every !== 0
    ? Effect.map(takeStep(session, batches, begins), (report) => ({ report }))
    : Effect.flatMap(probedSteps, ({ takeProbedStep }) => takeProbedStep(session, batches, probe, begins))

/** Milliseconds for which steps keep the thread: afterwards a page is drawn and others get their turn. */
const TURN_EVERY = 50

/** A turn of the event loop. Where there is no setImmediate a message is quicker than a timer, which browsers put off by 4 ms. */
const turn =
  "setImmediate" in globalThis
    ? Effect.yieldNow
    : Effect.callback<void>((resume) => {
        const { port1, port2 } = new MessageChannel()
        port1.onmessage = () => {
          port1.close()
          resume(Effect.void)
        }
        port2.postMessage(null)
      })

/** A turn, if the last is long ago: a device without waiting of its own would keep the thread for all steps. */
const turnsBetweenSteps = (): Effect.Effect<void> => {
  let last: number | undefined
  return Effect.gen(function* () {
    const now = yield* milliseconds
    last ??= now
    if (now - last < TURN_EVERY) return
    yield* turn
    last = yield* milliseconds
  })
}

/** Ranks that have agreed to stop do so between two steps, as one does that is interrupted. */
const stopTogether = Effect.flatMap(Ranks, ({ stop }) => (stop.agreed ? Effect.interrupt : Effect.void))

/** After the last group of batches. */
const END = Symbol("end")

/** Steps a session that is already open. */
export const sessionSteps =
  <M extends Network = Model, E2 = never, R2 = never>(
    session: Session<M>,
    { record = () => Effect.void, stepsPerRead = () => 1, begins, probe }: StepsOptions<E2, R2> = {}
  ) =>
  <E, R>(batches: Stream.Stream<BatchOf<M>, E, R>): Stream.Stream<StepReport, E | E2 | StepError, R | R2> => {
    /** Steps from `next` on that end before the next probe, or the one with it. */
    const untilProbe = (next: number): number => {
      if (probe === undefined) return Number.POSITIVE_INFINITY
      const since = (next - 1) % probe.every
      return since === 0 ? 1 : probe.every - since
    }
    const one = (group: ReadonlyArray<BatchOf<M>>) =>
      takeNextStep(session, group, probe, begins).pipe(
        Effect.tap(({ report, diagnostics }) => record([report], diagnostics)),
        Effect.map(({ report }) => report)
      )
    const take = (groups: ReadonlyArray<ReadonlyArray<BatchOf<M>>>) =>
      Effect.gen(function* () {
        if (groups.length > 1) {
          const reports = yield* takeSteps(session, groups, begins)
          if (!(reports instanceof NotFinite)) {
            yield* record(reports)
            return reports
          }
        }
        // alone, or of several one is not finite: those before it are finite again, and count
        return yield* Effect.forEach(groups, one)
      }).pipe(Effect.uninterruptible)
    const turns = Effect.andThen(turnsBetweenSteps(), stopTogether)
    return batches.pipe(
      // one batch at a time: a chunk of batches read ahead would be memory for nothing
      Stream.rechunk(1),
      Stream.grouped(session.accumulate),
      // an error of the data comes after the steps before it
      Stream.catch((error) => Stream.concat(Stream.make(END), Stream.fail(error))),
      Stream.concat(Stream.make(END)),
      Stream.mapAccumEffect(
        (): ReadonlyArray<ReadonlyArray<BatchOf<M>>> => [],
        (waiting, group) => {
          const groups = group === END ? waiting : [...waiting, group]
          const next = session.step + 1
          const due =
            group === END ? groups.length > 0 : groups.length >= Math.min(stepsPerRead(next), untilProbe(next))
          return due
            ? // before the steps, not after them: an interruption here loses no report
              Effect.map(Effect.andThen(turns, take(groups)), (reports) => [[], reports] as const)
            : Effect.succeed([groups, []] as const)
        }
      )
    )
  }

/**
 * Opens a session on `adapted` and steps it for as long as the stream is pulled. Read an endless generator
 * one batch at a time: `Stream.fromIterable(batches, { chunkSize: 1 })`.
 */
export const steps =
  <M extends Network = Model>(adapted: Adapted<M>, options: SessionOptions<M>) =>
  <E, R>(
    batches: Stream.Stream<BatchOf<M>, E, R>
  ): Stream.Stream<StepReport, E | OptionsError | OptimizerObstacle | StepError, R> =>
    Stream.unwrap(openSession(adapted, options).pipe(Effect.map((session) => sessionSteps(session)(batches))))
