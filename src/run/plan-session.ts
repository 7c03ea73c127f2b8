/** The session that a plan asks for, and its steps: the same in a run folder and in a browser page. */
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
  openSession,
  probedSites,
  type Session,
  type StepReport,
  type StepsOptions,
  sessionSteps,
  withRate
} from "../training/index.ts"
import { warn } from "./progress.ts"

/** The plan's model, its frozen blocks computed once a row where that pays and the device allows it. */
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
 * A loaded model with the plan's adapter at step 0: as its init has it, or as `adapter.from` left it. An init that needs calibration sees
 * the first batches, as training will.
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

/** What moves the parameters of a plan, its rate a number. */
export interface DecidedRate {
  readonly optimizer: DecidedOptimizer
  /** undefined: the plan has the number */
  readonly rate: FoundRate | undefined
}

/** The plan's optimizer. A rate that the plan leaves to the run is found on its first step's batches, unless it is `known` already. */
export const decideRate = (runner: Runner, adapted: Adapted<Network>, resolved: ResolvedPlan, known?: FoundRate) =>
  Effect.gen(function* () {
    const { optimizer } = resolved.plan
    const decided = (rate: FoundRate): DecidedRate => ({ optimizer: withRate(optimizer, rate), rate })
    if (isDecided(optimizer)) return { optimizer, rate: undefined } satisfies DecidedRate
    if (known !== undefined) return decided(known)
    const { foundRate } = yield* Effect.promise(() => import("./found-rate.ts"))
    return decided(yield* foundRate(runner, adapted, resolved))
  })

/** A session at step 0. */
export const openPlanSession = (
  runner: Runner,
  adapted: Adapted<Network>,
  resolved: ResolvedPlan,
  { optimizer }: DecidedRate
) => {
  const { plan, steps } = resolved
  return Effect.flatMap(transformOf(optimizer, steps), (transform) =>
    openSession(adapted, {
      optimizer: adapted.optimizer(transform, steps),
      loss: runner.loss(adapted.model, resolved),
      accumulate: plan.training.accumulate,
      recompute: plan.training.recompute
    })
  )
}

/** Steps from `next` on, after the last of which an evaluation, a checkpoint or the end may come: they need the state right then. */
const stepsUntilDue = ({ plan, data, steps }: ResolvedPlan, next: number): number => {
  const until = (every: number) => every - ((next - 1) % every)
  const { every } = evaluationsOf(plan, data.splits, steps)
  return Math.min(until(Math.min(every, steps)), until(plan.output.checkpointEvery), steps - next + 1)
}

/** The steps that are left of a plan. `record`: see `StepsOptions`; what it is given came off a sound device. */
export const stepsOfPlan = <E, R>(
  runner: Runner,
  session: Session<Network>,
  resolved: ResolvedPlan,
  record: (reports: ReadonlyArray<StepReport>, seen?: DiagnosticsReport) => Effect.Effect<void, E, R>
) =>
  Stream.unwrap(
    // the first step has kernels to make ready, and no one knows yet how long one takes
    Effect.map(Effect.andThen(working(`step ${session.step + 1} of ${resolved.steps}`), Device), (device) =>
      runner.batches(session.adapted.model, resolved, session.position).pipe(
        sessionSteps(session, {
          record: (reports, seen) =>
            Effect.gen(function* () {
              yield* device.sync
              yield* record(reports, seen)
              if (seen !== undefined) yield* reportWarnings(seen)
            }),
          stepsPerRead: (next) => Math.min(device.stepsPerRead, stepsUntilDue(resolved, next)),
          begins: (step) => device.label(`step ${step}`),
          ...probeOfPlan(session, resolved)
        }),
        Stream.take(resolved.steps - session.step)
      )
    )
  )

/** Which steps probe the full gradient, and where. */
const probeOfPlan = (
  { adapted }: Session<Network>,
  { plan }: ResolvedPlan
): Pick<StepsOptions<never, never>, "probe"> => {
  const { diagnostics } = plan.training
  if (diagnostics === undefined) return {}
  const sites = probedSites(adapted.sites, adapted.model.prefix, diagnostics.sites)
  // an init may have left none of them a rank
  if (sites.length === 0) return {}
  return { probe: { every: diagnostics.every, sites, theorem: factsOfOptimizer(plan.optimizer).followsTheorem } }
}

/** One notice for a probe, however many sites have something to say. */
export const reportWarnings = ({ warnings }: DiagnosticsReport) =>
  Effect.suspend(() => {
    const [first, ...others] = warnings
    const more = others.length === 0 ? "" : `; and ${others.length} more sites likewise (metrics.jsonl)`
    return first === undefined ? Effect.void : warn(`${first}${more}`)
  })
