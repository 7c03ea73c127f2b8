/** Steps with a look at the full gradient: taken, or only tried. */
import * as Effect from "effect/Effect"
import type { BatchOf, Network } from "../../models/model.ts"
import type { DeviceReadError } from "../../tensors/index.ts"
import { moveTo, type Place, placeOf } from "../place.ts"
import type { StepReport } from "../report.ts"
import type { Session } from "../session.ts"
import { attempt, type Differentiate, diverged, NotFinite, type StepError, undoable } from "../step.ts"
import { type LookOptions, lookAfter, lookBefore, type Seen } from "./look.ts"
import type { DiagnosticsReport } from "./report.ts"

/** A step, and what was seen of the full gradient in it. */
export interface LookedStep {
  readonly report: StepReport
  readonly diagnostics: DiagnosticsReport
}

/** The same step, with a look at the full gradient. The step's times are without what the host makes of it. */
export const stepWithLook = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  look: LookOptions,
  begins: (step: number) => void = () => {}
): Effect.Effect<LookedStep, StepError> =>
  undoable(session, (start) => attemptWithLook(session, batches, look, start, begins)).pipe(
    Effect.flatMap((taken) => (taken instanceof NotFinite ? diverged(session, batches, taken) : Effect.succeed(taken)))
  )

/** What `stepWithLook` would see at the next step, which is not taken: the session stays where it is. */
export const lookAhead = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  look: LookOptions
): Effect.Effect<DiagnosticsReport, StepError> =>
  Effect.suspend(() => {
    const start = placeOf(session)
    return attemptWithLook(session, batches, look, start, () => {}).pipe(
      Effect.ensuring(Effect.sync(() => moveTo(session, start))),
      Effect.flatMap((taken) =>
        taken instanceof NotFinite ? diverged(session, batches, taken) : Effect.succeed(taken.diagnostics)
      )
    )
  }).pipe(Effect.uninterruptible)

const attemptWithLook = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  look: LookOptions,
  start: Place,
  begins: (step: number) => void
): Effect.Effect<LookedStep | NotFinite, DeviceReadError> =>
  Effect.gen(function* () {
    let seen: Seen = []
    const differentiate: Differentiate<M> = (step) =>
      Effect.map(lookBefore(step, look), ({ seen: found, ...own }) => {
        seen = found
        return own
      })
    const taken = yield* attempt(session, [batches], start, begins, differentiate)
    if (taken instanceof NotFinite) return taken
    const report = taken[0]!
    return { report, diagnostics: yield* lookAfter(seen, session.adapted.trainable, report.step) }
  })
