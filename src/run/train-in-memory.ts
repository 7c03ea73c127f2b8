/**
 * `train` for programs without a file system, such as a browser page: the same plan, steps and evaluations; returns
 * the adapter as files in memory. Without a run folder there are no checkpoints, no report, and no resuming.
 *
 * @example
 * import { Effect } from "effect"
 * import { readPlan, resolve, train } from "tfjs-lora-pro/browser"
 *
 * const trained = Effect.gen(function* () {
 *   const { plan, name } = yield* readPlan("plans/movies.json")
 *   const { adapted, steps } = yield* train(yield* resolve(plan, name))
 *   return { adapted, steps }
 * })
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../adapters/index.ts"
import { Device, ofDevice } from "../device/device.ts"
import { loadKind } from "../kinds/index.ts"
import type { Network } from "../models/index.ts"
import type { EvaluationReport, Kept } from "../output/index.ts"
import { type ResolvedPlan, withDecided } from "../plan/index.ts"
import type { StepRecord, Warning } from "../training/course.ts"
import type { DiagnosticsReport, FoundRate, StepReport } from "../training/index.ts"
import { chooseState, heldState } from "./choice.ts"
import { evaluatorOf } from "./evaluator.ts"
import { adaptPlan, decideRate, loadPlanModel, openPlanSession, stepsOfPlan } from "./plan-session.ts"
import { Progress } from "./progress.ts"

/** Options for training in memory. */
export interface TrainInMemoryOptions {
  /** in-memory folder for the adapter's files; default "adapter" */
  readonly directory?: string
}

/** Result of training in memory: the adapted model, its steps and evaluations. */
export interface TrainedInMemory {
  /** trained model, until the scope closes */
  readonly adapted: Adapted<Network>
  /** report of each step */
  readonly steps: ReadonlyArray<StepReport>
  /** diagnostics of the full gradient, if the plan has `training.diagnostics` */
  readonly diagnostics: ReadonlyArray<DiagnosticsReport>
  /** learning rate that the run found; undefined if the plan sets one */
  readonly rate: FoundRate | undefined
  /** the state that evaluations selected; null: the last state */
  readonly kept: Kept | null
  /** evaluation before the first step; undefined for a plan without validation and test rows */
  readonly before: EvaluationReport | undefined
  /** evaluation of every split after the last step */
  readonly after: ReadonlyArray<EvaluationReport>
  /** warnings about a run that learned nothing, with remedies */
  readonly warnings: ReadonlyArray<Warning>
}

/** Trains a plan. Reports progress to `Progress`; the page may draw between steps. */
export const trainInMemory = (planned: ResolvedPlan, { directory = "adapter" }: TrainInMemoryOptions = {}) =>
  Effect.gen(function* () {
    const device = yield* Device
    const tell = yield* Progress
    const kind = yield* loadKind(planned.plan)
    const model = yield* loadPlanModel(kind, planned)
    const adapted = yield* adaptPlan(kind, model, planned)
    const resolved = withDecided(planned, adapted)
    const decided = yield* decideRate(kind, adapted, resolved)
    const { rate } = decided
    const session = yield* openPlanSession(kind, adapted, resolved, decided)
    const evaluator = evaluatorOf(kind, adapted, resolved, { append: () => Effect.void, history: [], checkpoint: null })
    const { standing } = evaluator
    const best = yield* heldState(adapted)
    const steps: Array<StepReport> = []
    const diagnostics: Array<DiagnosticsReport> = []
    const { baselinesOf, lookAtThird, stepRecordOf, warningsOf } = yield* Effect.promise(() => import("./guard.ts"))
    const stepReports: Array<StepRecord> = []
    const checkedLoss = lookAtThird(kind, resolved, stepReports)
    const record = (_: ReadonlyArray<StepReport>, report?: DiagnosticsReport) =>
      Effect.sync(() => void (report !== undefined && diagnostics.push(report)))
    const after = (report: StepReport) =>
      Effect.gen(function* () {
        steps.push(report)
        stepReports.push(stepRecordOf(report))
        yield* tell({ ...report, of: resolved.steps, unit: kind.words.unit ?? "tokens" })
        yield* checkedLoss
        // of steps read together, the state is that after the last
        if (report.step === session.step) {
          yield* evaluator.during(report.step)
          if (standing.now().best?.step === report.step) best.hold()
        }
        yield* Effect.sleep(0)
      })
    device.label("the first evaluation and step 1")
    const before = yield* evaluator.before
    yield* stepsOfPlan(kind, session, resolved, record).pipe(
      Stream.tap(after),
      Stream.takeUntil(standing.stops),
      Stream.runDrain,
      Effect.withSpan("steps")
    )
    device.label("the last evaluation")
    const kept = yield* chooseState(adapted, resolved.plan, evaluator, session.step, () =>
      Effect.as(Effect.sync(best.restore), true)
    )
    const step = kept?.step ?? session.step
    const { reports, sameRows } = yield* evaluator.after(before, step)
    const baseline = baselinesOf(kind, resolved)
    const warnings = warningsOf(kind, resolved, { stepReports, step, baseline, before, sameRows, reports })
    yield* kind.save(adapted, resolved, directory).pipe(Effect.withSpan("save"))
    yield* device.sync
    const trained: TrainedInMemory = { adapted, steps, diagnostics, rate, kept, before, after: reports, warnings }
    return trained
  }).pipe(ofDevice, Effect.withSpan("train"))
