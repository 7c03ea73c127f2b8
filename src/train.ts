/**
 * The story: a resolved plan becomes a run folder with an adapter and the numbers that say what it gained.
 *
 *   plan.json ─decode→ RunPlan ─resolve→ ResolvedPlan ─train→ adapter/, metrics.jsonl, RunReport
 *
 * The parts it composes are the ones that a pipeline in code composes (`examples/pipelines/`).
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { trainingBatches } from "./data/index.ts"
import { Device } from "./device/index.ts"
import { evaluatorOf } from "./evaluator.ts"
import { loadDescribed } from "./models/index.ts"
import { fromConfig } from "./optimizers/index.ts"
import { continueRun, finishRun, openCheckpoints, openRun, restoreSnapshot, saveAdapter } from "./output/index.ts"
import { injectPlan, type ResolvedPlan } from "./plan/index.ts"
import { Progress } from "./progress.ts"
import { savedOnFailure } from "./saved-on-failure.ts"
import { crossEntropy, openSession, type StepReport, stepsOf } from "./training/index.ts"

export interface TrainOptions {
  /** the run folder, which must not exist; absent: a fresh `runs/<plan name>-<n>` */
  readonly directory?: string | undefined
  /** an interrupted run's folder, to go on with */
  readonly resume?: string | undefined
}

export const train = (resolved: ResolvedPlan, { directory, resume }: TrainOptions = {}) =>
  Effect.gen(function* () {
    const { plan, steps } = resolved
    const device = yield* Device
    const tell = yield* Progress
    const model = yield* loadDescribed(resolved.model, { seed: plan.seed })
    const adapted = yield* injectPlan(model, resolved)
    const run = yield* resume === undefined
      ? openRun(resolved, directory)
      : continueRun(resolved, resume, (message) => tell({ kind: "notice", message }))
    const session = yield* openSession(adapted, {
      optimizer: fromConfig(plan.optimizer, steps),
      loss: crossEntropy,
      accumulate: plan.training.accumulate
    })
    if (run.snapshot !== null) yield* restoreSnapshot(session, run.snapshot)
    const checkpoints = yield* openCheckpoints(session, run, plan.output)
    const evaluator = evaluatorOf(adapted, resolved, run)
    const reports = run.history.filter((row): row is StepReport => row.kind === "step")

    device.label("the first evaluation and step 1")
    const before = yield* evaluator.before
    yield* trainingBatches(resolved.data.splits.train, model.tokenizer, {
      seed: plan.seed,
      batchSize: plan.training.batchSize,
      bucketPool: plan.data.bucketPool,
      maxLength: Math.min(plan.data.maxLength, model.maxLength),
      padMultiple: device.padMultiple,
      start: session.position
    }).pipe(
      stepsOf(session),
      Stream.take(steps - session.step),
      Stream.tap(() => device.sync),
      Stream.tap(({ step }) => Effect.sync(() => device.label(`step ${step + 1}`))),
      Stream.tap(run.append),
      Stream.tap((report) => tell({ ...report, of: steps })),
      Stream.tap((report) => Effect.flatMap(evaluator.during(report.step), checkpoints.afterStep)),
      Stream.runForEach((report) => Effect.sync(() => reports.push(report))),
      Effect.andThen(checkpoints.save),
      savedOnFailure(session, checkpoints, run)
    )
    const after = yield* evaluator.after

    yield* saveAdapter(adapted, resolved, run.adapter)
    return yield* finishRun(run, resolved, {
      device: device.describe(),
      peakBytes: device.peakBytes(),
      reports,
      before,
      after
    })
  }).pipe(Effect.scoped)
