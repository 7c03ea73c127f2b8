/**
 * The training loop as a stream operator: batches in, a `StepReport` per optimisation step out.
 *
 * Evaluation, metrics, early stopping and a progress bar are taps on the stream; how many steps there are is `Stream.take`.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../adapters/index.ts"
import type { Batch } from "../data/row.ts"
import type { StepReport } from "./report.ts"
import { openSession, type Session, type SessionOptions } from "./session.ts"
import { type StepError, step } from "./step.ts"

/**
 * Steps of a session that is already open. `record` is part of the step: an interruption comes before both or after both, so that
 * what is recorded and what the session has done agree.
 */
export const stepsOf =
  <E2 = never, R2 = never>(
    session: Session,
    record: (report: StepReport) => Effect.Effect<void, E2, R2> = () => Effect.void
  ) =>
  <E, R>(batches: Stream.Stream<Batch, E, R>): Stream.Stream<StepReport, E | E2 | StepError, R | R2> =>
    batches.pipe(
      // one batch at a time: a chunk of batches read ahead would be memory for nothing
      Stream.rechunk(1),
      Stream.grouped(session.accumulate),
      Stream.mapEffect((group) => Effect.uninterruptible(Effect.tap(step(session, group), record)))
    )

/** Opens a session on `adapted` and steps it for as long as the stream is pulled. */
export const steps =
  (adapted: Adapted, options: SessionOptions) =>
  <E, R>(batches: Stream.Stream<Batch, E, R>): Stream.Stream<StepReport, E | StepError, R> =>
    Stream.unwrap(openSession(adapted, options).pipe(Effect.map((session) => stepsOf(session)(batches))))
