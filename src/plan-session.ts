/** The session that a plan asks for, and its steps: the same in a run folder and in a browser page. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../adapters/index.ts"
import { trainingBatches } from "./data/index.ts"
import { Device } from "./device/device.ts"
import { fromConfig } from "./optimizers/index.ts"
import type { ResolvedPlan } from "./plan/index.ts"
import { crossEntropy, openSession, type Session, type StepReport, stepsOf } from "./training/index.ts"

/** A session at step 0. */
export const openPlanSession = (adapted: Adapted, { plan, steps }: ResolvedPlan) =>
  openSession(adapted, {
    optimizer: fromConfig(plan.optimizer, steps),
    loss: crossEntropy,
    accumulate: plan.training.accumulate,
    recompute: plan.training.recompute
  })

/** The batches that come next, without end. */
const batchesOfPlan = ({ adapted, position }: Session, { plan, data }: ResolvedPlan) =>
  Stream.unwrap(
    Effect.map(Device, ({ padMultiple }) =>
      trainingBatches(data.splits.train, adapted.model.tokenizer, {
        seed: plan.seed,
        batchSize: plan.training.batchSize,
        bucketPool: plan.data.bucketPool,
        maxLength: Math.min(plan.data.maxLength, adapted.model.maxLength),
        padMultiple,
        start: position
      })
    )
  )

/** Steps from `next` on, behind the last of which an evaluation, a checkpoint or the end may come: it wants the state right there. */
const stepsUntilLook = ({ plan: { training, output }, steps }: ResolvedPlan, next: number): number => {
  const until = (every: number) => every - ((next - 1) % every)
  return Math.min(until(training.evaluateEvery ?? steps), until(output.checkpointEvery), steps - next + 1)
}

/** The steps that are left of a plan. `record`: see `StepsOptions`; what it is given came off a sound device. */
export const stepsOfPlan = <E, R>(
  session: Session,
  resolved: ResolvedPlan,
  record: (reports: ReadonlyArray<StepReport>) => Effect.Effect<void, E, R>
) =>
  Stream.unwrap(
    Effect.map(Device, (device) =>
      batchesOfPlan(session, resolved).pipe(
        stepsOf(session, {
          record: (reports) => Effect.andThen(device.sync, record(reports)),
          together: (next) => Math.min(device.stepsPerRead, stepsUntilLook(resolved, next)),
          begins: (step) => device.label(`step ${step}`)
        }),
        Stream.take(resolved.steps - session.step)
      )
    )
  )
