/** The training session of a plan, and its steps: the same in a run folder and in a browser page. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Adapted, noCalibration } from "../../adapters/index.ts"
import { type DecidedOptimizer, factsOfOptimizer, isDecided } from "../../schemas/index.ts"
import { Device } from "../device/device.ts"
import type { Runner } from "../kinds/index.ts"
import type { Network } from "../models/index.ts"
import { transformOf } from "../optimizers/index.ts"
import { calibrationOfPlan, evaluationsOf, fromOf, injectPlan, type ResolvedPlan } from "../plan/index.ts"
import { working } from "../progress/index.ts"
import {
  type DiagnosticsReport,
  type FoundRate,
  openSettled,
  probedSites,
  type Session,
  type StepReport,
  type StepsOptions,
  sessionSteps,
  withRate
} from "../training/index.ts"
import { warn } from "./progress.ts"

/** Returns the plan's model, its frozen blocks computed once per row if that is worthwhile and the device allows it. */
export const loadPlanModel = (runner: Runner, resolved: ResolvedPlan) =>
  Effect.gen(function* () {
    const model = yield* runner.load(resolved)
    const { prefix } = resolved
    const { rowsAlone } = yield* Device
    if (prefix === null || !rowsAlone) return model
    const { keepPlannedPrefix } = yield* Effect.promise(() => import("./kept-prefix.ts"))
    return yield* keepPlannedPrefix(model, prefix)
  }).pipe(Effect.withSpan("load"))

/**
 * Returns a loaded model with the plan's adapter at step 0: initialized, or loaded from `adapter.from`. An init that needs calibration uses
 * the first batches as training will see them.
 */
export const adaptPlan = (runner: Runner, model: Network, resolved: ResolvedPlan) =>
  Effect.gen(function* () {
    const from = fromOf(resolved.plan)
    if (from !== undefined) {
      const { continued } = yield* Effect.promise(() => import("./continued.ts"))
      return yield* continued(runner, model, resolved, from)
    }
    const calibration = calibrationOfPlan(resolved)
    if (calibration === undefined) return yield* injectPlan(model, resolved, noCalibration)
    const { calibrated } = yield* Effect.promise(() => import("./calibrated.ts"))
    return yield* calibrated(runner, model, resolved, calibration)
  }).pipe(Effect.withSpan("inject"))

/** The optimizer of a plan, and the learning rate that the run found for it. */
export interface DecidedRate {
  readonly optimizer: DecidedOptimizer
  /** learning rate that was found; undefined: the plan sets it */
  readonly rate: FoundRate | undefined
}

/** Returns the plan's optimizer. A rate that the plan leaves to the run is found on the batches of the first step, unless it is already `known`. */
export const decideRate = (
  runner: Runner,
  adapted: Adapted<Network>,
  resolved: ResolvedPlan,
  recordedRate?: FoundRate
) =>
  Effect.gen(function* () {
    const { optimizer } = resolved.plan
    const decided = (rate: FoundRate): DecidedRate => ({ optimizer: withRate(optimizer, rate), rate })
    if (isDecided(optimizer)) return { optimizer, rate: undefined } satisfies DecidedRate
    if (recordedRate !== undefined) return decided(recordedRate)
    const { foundRate } = yield* Effect.promise(() => import("./found-rate.ts"))
    return decided(yield* foundRate(runner, adapted, resolved))
  })

/** Opens a session at step 0. */
export const openPlanSession = (
  runner: Runner,
  adapted: Adapted<Network>,
  resolved: ResolvedPlan,
  { optimizer }: DecidedRate
) => {
  const { plan, steps } = resolved
  return transformOf(optimizer, steps).pipe(
    Effect.flatMap((transform) => adapted.optimizer(transform, steps)),
    Effect.flatMap((optimizer) =>
      openSettled(adapted, {
        optimizer,
        loss: runner.loss(adapted.model, resolved),
        accumulate: plan.training.accumulate,
        recompute: plan.training.recompute
      })
    )
  )
}

/** Returns the steps from `next` on that can be followed by an evaluation, a checkpoint or the end: these need the state right after the step. */
const stepsUntilDue = ({ plan, data, steps }: ResolvedPlan, next: number): number => {
  const until = (every: number) => every - ((next - 1) % every)
  const { every } = evaluationsOf(plan, data.splits, steps)
  return Math.min(until(Math.min(every, steps)), until(plan.output.checkpointEvery), steps - next + 1)
}

/** Runs the remaining steps of a plan. `record`: see `StepsOptions`; it gets numbers read from a working device. */
export const stepsOfPlan = <E, R>(
  runner: Runner,
  session: Session<Network>,
  resolved: ResolvedPlan,
  record: (reports: ReadonlyArray<StepReport>, diagnostics?: DiagnosticsReport) => Effect.Effect<void, E, R>
) =>
  Stream.unwrap(
    // the first step compiles kernels, and its duration is unknown
    Effect.map(Effect.andThen(working(`step ${session.step + 1} of ${resolved.steps}`), Device), (device) =>
      runner.batches(session.adapted.model, resolved, session.position).pipe(
        sessionSteps(session, {
          record: (reports, diagnostics) =>
            Effect.gen(function* () {
              yield* device.sync
              yield* record(reports, diagnostics)
              if (diagnostics !== undefined) yield* reportWarnings(diagnostics)
            }),
          stepsPerRead: (next) => Math.min(device.stepsPerRead, stepsUntilDue(resolved, next)),
          begins: (step) => device.label(`step ${step}`),
          ...probeOfPlan(session, resolved)
        }),
        Stream.take(resolved.steps - session.step)
      )
    )
  )

/** Returns the schedule and the layers of gradient probes. */
const probeOfPlan = (
  { adapted }: Session<Network>,
  { plan }: ResolvedPlan
): Pick<StepsOptions<never, never>, "probe"> => {
  const { diagnostics } = plan.training
  if (diagnostics === undefined) return {}
  const sites = probedSites(adapted.sites, adapted.model.prefix, diagnostics.sites)
  // an initialization may have given rank 0 to all of them
  if (sites.length === 0) return {}
  return { probe: { every: diagnostics.every, sites, theorem: factsOfOptimizer(plan.optimizer).followsTheorem } }
}

/** Reports all warnings of a probe in one notice. */
export const reportWarnings = ({ warnings }: DiagnosticsReport) =>
  Effect.suspend(() => {
    const [first, ...moreWarnings] = warnings
    const more =
      moreWarnings.length === 0 ? "" : `; and ${moreWarnings.length} more sites with the same warning (metrics.jsonl)`
    return first === undefined ? Effect.void : warn(`${first}${more}`)
  })
