/** Batches of plans over texts for the device, in training and in evaluations. */
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

/** Returns endless training batches from `start` on. `maxLength`: maximum number of tokens per row. */
export const plannedBatches = <A, E, R>(
  { seed, training: { batchSize }, data: { bucketPool } }: Pooled,
  maxLength: number,
  start: BatchPosition,
  batches: (options: PlannedOptions) => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R | Device> =>
  Stream.unwrap(
    Effect.map(Device, ({ padMultiple }) => batches({ seed, batchSize, bucketPool, maxLength, padMultiple, start }))
  )

/** Returns evaluation batches, each row once. `rows`: number of rows, from the beginning; default: all. */
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
