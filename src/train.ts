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
import { finishRun, openRun, saveAdapter } from "./output/index.ts"
import { injectPlan, type ResolvedPlan } from "./plan/index.ts"
import { Progress } from "./progress.ts"
import { crossEntropy, type StepReport, steps } from "./training/index.ts"

/** Trains. `directory`: the run folder, which must not exist; absent, a fresh `runs/<plan name>-<n>`. */
export const train = (resolved: ResolvedPlan, directory?: string) =>
  Effect.gen(function* () {
    const { plan } = resolved
    const device = yield* Device
    const tell = yield* Progress
    const model = yield* loadDescribed(resolved.model, { seed: plan.seed })
    const adapted = yield* injectPlan(model, resolved)
    const run = yield* openRun(resolved, directory)
    const evaluator = evaluatorOf(adapted, resolved, run)
    const reports: Array<StepReport> = []
    device.label("the first evaluation and step 1")

    const before = yield* evaluator.before
    yield* trainingBatches(resolved.data.splits.train, model.tokenizer, {
      seed: plan.seed,
      batchSize: plan.training.batchSize,
      bucketPool: plan.data.bucketPool,
      maxLength: Math.min(plan.data.maxLength, model.maxLength),
      padMultiple: device.padMultiple
    }).pipe(
      steps(adapted, {
        optimizer: fromConfig(plan.optimizer, resolved.steps),
        loss: crossEntropy,
        accumulate: plan.training.accumulate
      }),
      Stream.take(resolved.steps),
      Stream.tap(() => device.sync),
      Stream.tap(({ step }) => Effect.sync(() => device.label(`step ${step + 1}`))),
      Stream.tap(run.append),
      Stream.tap((report) => tell({ ...report, of: resolved.steps })),
      Stream.tap((report) => evaluator.during(report.step)),
      Stream.runForEach((report) => Effect.sync(() => reports.push(report)))
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
