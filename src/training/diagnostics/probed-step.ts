/** Steps with a probe of the full gradient: taken, or only tried. */
import * as Effect from "effect/Effect"
import type { BatchOf, Network } from "../../models/model.ts"
import type { DeviceReadError } from "../../tensors/index.ts"
import type { Session } from "../session.ts"
import { rollback, type Snapshot, snapshotOf } from "../session.ts"
import { attemptSteps, type Differentiate, diverged, NotFinite, type StepError, withRollback } from "../step.ts"
import type { StepReport } from "../step-report.ts"
import { type ProbeOptions, probeAfter, probeBefore, type Seen } from "./probe.ts"
import type { DiagnosticsReport } from "./report.ts"

/** A step, and what was seen of the full gradient in it. */
export interface ProbedStep {
  readonly report: StepReport
  readonly diagnostics: DiagnosticsReport
}

/** The same step, with a probe of the full gradient. The step's times are without what the host makes of it. */
export const takeProbedStep = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  probe: ProbeOptions,
  begins: (step: number) => void = () => {}
): Effect.Effect<ProbedStep, StepError> =>
  withRollback(session, (start) => attemptProbedStep(session, batches, probe, start, begins)).pipe(
    Effect.flatMap((taken) => (taken instanceof NotFinite ? diverged(session, batches, taken) : Effect.succeed(taken)))
  )

/** What `takeProbedStep` would see at the next step, which is not taken: the session stays where it is. */
export const probeAhead = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  probe: ProbeOptions
): Effect.Effect<DiagnosticsReport, StepError> =>
  Effect.suspend(() => {
    const start = snapshotOf(session)
    return attemptProbedStep(session, batches, probe, start, () => {}).pipe(
      Effect.ensuring(Effect.sync(() => rollback(session, start))),
      Effect.flatMap((taken) =>
        taken instanceof NotFinite ? diverged(session, batches, taken) : Effect.succeed(taken.diagnostics)
      )
    )
  }).pipe(Effect.uninterruptible)

const attemptProbedStep = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  probe: ProbeOptions,
  start: Snapshot,
  begins: (step: number) => void
): Effect.Effect<ProbedStep | NotFinite, DeviceReadError> =>
  Effect.gen(function* () {
    let seen: Seen = []
    const differentiate: Differentiate<M> = (step) =>
      Effect.map(probeBefore(step, probe), ({ seen: found, ...own }) => {
        seen = found
        return own
      })
    const taken = yield* attemptSteps(session, [batches], start, begins, differentiate)
    if (taken instanceof NotFinite) return taken
    const report = taken[0]!
    return { report, diagnostics: yield* probeAfter(seen, session.adapted.trainable, report.step) }
  })
