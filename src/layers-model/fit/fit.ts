/**
 * `model.fit` and `model.fitDataset` for an adapted model: tfjs's options, callbacks and history with the package's own
 * optimizer steps.
 *
 * A "batch" of the callbacks is one step. With `training.accumulate` a step takes several batches of the data, and the
 * callbacks see one batch of all their rows. Dropout and batch normalization run in inference mode:
 * the base is frozen.
 */
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import type { LayersNetwork } from "../../models/layers-model/index.ts"
import { FitError, type LayersDataError } from "../errors.ts"
import { promised } from "../promised.ts"
import { hostRows, isDataset, type LayersDataset, openDataset, openRows, takeRows } from "./batches.ts"
import { EVALUATE_BATCH_SIZE, evaluateBatches } from "./evaluate.ts"
import { type Slots, slotsOf } from "./host-arrays.ts"
import { type FitDatasetOptions, type FitOptions, type LayersData, type Settled, settle } from "./options.ts"
import { type FitHistory, run, type Validate } from "./run.ts"
import { datasetSource, rowsSource } from "./source.ts"

/**
 * Trains over a dataset of `{ xs, ys }` batches. Rejects with a FitError before the first step, a LayersDataError if
 * data does not fit, and a Diverged if a step is not finite: the parameters of the last finite step are kept.
 *
 * @example
 * import type { Tensor } from "@tensorflow/tfjs-core"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { fitDataset, type LayersDataset } from "tfjs-lora-pro/layers"
 * import type { LayersNetwork } from "tfjs-lora-pro/models"
 *
 * const trained = (adapted: Adapted<LayersNetwork>, dataset: LayersDataset, x: Tensor, y: Tensor) =>
 *   fitDataset(adapted, dataset, { epochs: 3, validationData: [x, y], callbacks: { onEpochEnd: console.log } })
 */
export const fitDataset = (
  adapted: Adapted<LayersNetwork>,
  dataset: LayersDataset,
  options: FitDatasetOptions = {}
): Promise<FitHistory> =>
  alone(
    adapted,
    Effect.gen(function* () {
      const settled = yield* settle("fitDataset", adapted.model.base, adapted.method, options)
      const slots = slotsOf(adapted.model, settled.compiled)
      const validate = yield* validationOf(adapted, settled, slots, EVALUATE_BATCH_SIZE, options)
      return yield* run({ adapted, source: datasetSource(dataset, slots, options), settled, options, validate })
    })
  )

/**
 * Trains over x and y, in batches of `batchSize` rows, for one epoch by default. Rejects with the errors of
 * `fitDataset`.
 */
export const fit = (
  adapted: Adapted<LayersNetwork>,
  x: LayersData,
  y: LayersData,
  options: FitOptions = {}
): Promise<FitHistory> =>
  alone(
    adapted,
    Effect.gen(function* () {
      const settled = yield* settle("fit", adapted.model.base, adapted.method, options)
      const { plan, compiled } = settled
      const slots = slotsOf(adapted.model, compiled)
      const all = yield* hostRows(x, y, slots)
      const { validationSplit, batchSize = plan.training.batchSize } = options
      const numbers = Uint32Array.from({ length: all.rows }, (_, i) => i)
      // as in tfjs, validationData takes precedence over validationSplit
      const split = options.validationData === undefined ? (validationSplit ?? 0) : 0
      const trainRows = Math.floor(all.rows * (1 - split))
      if (trainRows === 0) {
        const message = `found ${split} of ${all.rows} rows; no rows are left to train on`
        return yield* new FitError({ problems: [{ path: "validationSplit", message }] })
      }
      const held = takeRows(all, numbers.subarray(trainRows))
      const rows = split === 0 ? all : takeRows(all, numbers.subarray(0, trainRows))
      const size = options.validationBatchSize ?? plan.training.evaluateBatchSize ?? batchSize
      const validate =
        split === 0
          ? yield* validationOf(adapted, settled, slots, batchSize, options)
          : Effect.suspend(() => evaluateBatches(adapted, compiled, openRows(held, size)))
      return yield* run({ adapted, source: rowsSource(rows, plan, options), settled, options, validate, epochs: 1 })
    })
  )

/** Models that are being trained: two runs over the same parameters would undo each other's steps. */
const beingTrained = new WeakSet<Adapted<LayersNetwork>>()

const alone = <A, E>(adapted: Adapted<LayersNetwork>, program: Effect.Effect<A, E>): Promise<A> =>
  promised(
    Effect.suspend((): Effect.Effect<A, E | FitError> => {
      if (beingTrained.has(adapted)) {
        const message = "this model is already being trained; await the other fit first"
        return Effect.fail(new FitError({ problems: [{ path: "fit", message }] }))
      }
      beingTrained.add(adapted)
      return Effect.ensuring(
        program,
        Effect.sync(() => beingTrained.delete(adapted))
      )
    })
  )

/** What `validationData` asks for. `batchSize`: of x and y, unless options or plan say something. */
const validationOf = (
  adapted: Adapted<LayersNetwork>,
  { plan, compiled }: Settled,
  slots: Slots,
  batchSize: number,
  options: FitDatasetOptions
): Effect.Effect<Validate | undefined, FitError | LayersDataError> =>
  Effect.gen(function* () {
    const { validationData: data, validationBatches } = options
    if (data === undefined || data === null) return undefined
    if (isDataset(data)) {
      return Effect.flatMap(openDataset(data, slots, "the validation dataset"), (next) =>
        evaluateBatches(adapted, compiled, next, validationBatches)
      )
    }
    if (!Array.isArray(data) || data.length !== 2) {
      const message = "expected [x, y] or a dataset (weights of single rows are not supported)"
      return yield* new FitError({ problems: [{ path: "validationData", message }] })
    }
    const rows = yield* hostRows(data[0], data[1], slots, "validationData")
    const size = options.validationBatchSize ?? plan.training.evaluateBatchSize ?? batchSize
    return Effect.suspend(() => evaluateBatches(adapted, compiled, openRows(rows, size)))
  })
