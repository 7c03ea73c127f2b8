/** The batches of a plan over texts as the device wants them, in training and in evaluations. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RunPlan } from "../../../schemas/index.ts"
import type { BatchPosition, EvaluationBatchOptions, TrainingBatchOptions } from "../../data/index.ts"
import { Device } from "../../device/device.ts"

type Pooled = Pick<RunPlan, "seed" | "training"> & { readonly data: { readonly bucketPool: number } }

interface PlannedOptions extends TrainingBatchOptions {
  readonly start: BatchPosition
  readonly padMultiple: number
}

/** Endless, from `start` on. `maxLength`: tokens of a row at most. */
export const plannedBatches = <A, E, R>(
  { seed, training: { batchSize }, data: { bucketPool } }: Pooled,
  maxLength: number,
  start: BatchPosition,
  batches: (options: PlannedOptions) => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R | Device> =>
  Stream.unwrap(
    Effect.map(Device, ({ padMultiple }) => batches({ seed, batchSize, bucketPool, maxLength, padMultiple, start }))
  )

/** Each row once. `rows`: the first, this many; all unless given. */
export const evaluatedBatches = <A, E, R>(
  { training: { evaluateBatchSize: batchSize } }: Pick<RunPlan, "training">,
  maxLength: number,
  rows: number | undefined,
  batches: (options: EvaluationBatchOptions & { readonly padMultiple: number }) => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R | Device> =>
  Stream.unwrap(
    Effect.map(Device, ({ padMultiple }) =>
      batches({ batchSize, maxLength, padMultiple, ...(rows === undefined ? {} : { rows }) })
    )
  )
