/** Evaluates the compiled loss and metrics of an adapted model over data, as `model.evaluate` does for the merged model. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import type { LayersBatch, LayersNetwork } from "../../models/layers-model/index.ts"
import { type DeviceReadError, readTensor } from "../../tensors/index.ts"
import type { FitError, LayersDataError } from "../errors.ts"
import { promised } from "../promised.ts"
import { hostRows, type LayersDataset, type NextBatch, openDataset, openRows } from "./batches.ts"
import { EpochMeans, type Logs } from "./callbacks.ts"
import type { Compiled } from "./compiled.ts"
import { slotsOf } from "./host-arrays.ts"
import { type EvaluateOptions, type LayersData, settleEvaluation } from "./options.ts"

/** Default number of rows per forward pass, as in tfjs. */
export const EVALUATE_BATCH_SIZE = 32

/** The scores of one batch on the host, under their names. */
const scoresOf = (
  adapted: Adapted<LayersNetwork>,
  compiled: Compiled,
  batch: LayersBatch
): Effect.Effect<Logs, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() => {
        const { input, target } = adapted.model.toDevice(batch)
        return compiled.score(adapted.forward(input, adapted.trainable), target).scores
      })
    ),
    (scores) => Effect.map(readTensor(scores, "the scores of a batch"), (values) => named(compiled, values)),
    (scores) => Effect.sync(() => scores.dispose())
  )

export const named = ({ names }: Compiled, values: ArrayLike<number>): Logs =>
  Object.fromEntries(names.map((name, i) => [name, values[i]!]))

/** Returns means over at most `limit` batches, each weighted by its rows. Yields to the event loop between batches. */
export const evaluateBatches = (
  adapted: Adapted<LayersNetwork>,
  compiled: Compiled,
  next: NextBatch,
  limit = Number.POSITIVE_INFINITY
): Effect.Effect<Logs, LayersDataError | DeviceReadError> =>
  Effect.gen(function* () {
    const means = new EpochMeans()
    for (let batch = 0; batch < limit; batch++) {
      const batch = yield* next
      if (batch === undefined) break
      means.add(yield* scoresOf(adapted, compiled, batch), batch.size)
      yield* Effect.sleep(0)
    }
    return means.means()
  })

/**
 * Computes loss and metrics over x and y, by tfjs's names and in its order.
 *
 * @example
 * import type { Tensor } from "@tensorflow/tfjs-core"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { evaluate } from "tfjs-lora-pro/layers"
 * import type { LayersNetwork } from "tfjs-lora-pro/models"
 *
 * const accuracy = async (adapted: Adapted<LayersNetwork>, images: Tensor, labels: Tensor) => {
 *   const { acc } = await evaluate(adapted, images, labels, { batchSize: 64 })
 *   return acc
 * }
 */
export const evaluate = (
  adapted: Adapted<LayersNetwork>,
  x: LayersData,
  y: LayersData,
  options: EvaluateOptions = {}
): Promise<Logs> =>
  promised(
    Effect.gen(function* () {
      const compiled = yield* settleEvaluation(adapted.model.base, options)
      const rows = yield* hostRows(x, y, slotsOf(adapted.model, compiled))
      return yield* evaluateBatches(adapted, compiled, openRows(rows, options.batchSize ?? EVALUATE_BATCH_SIZE))
    })
  )

/** Computes loss and metrics over a dataset of `{ xs, ys }`, or over its first `batches` batches. */
export const evaluateDataset = (
  adapted: Adapted<LayersNetwork>,
  dataset: LayersDataset,
  options: EvaluateOptions = {}
): Promise<Logs> =>
  promised(
    Effect.gen(function* (): Effect.fn.Return<Logs, FitError | LayersDataError | DeviceReadError> {
      const compiled = yield* settleEvaluation(adapted.model.base, options)
      const next = yield* openDataset(dataset, slotsOf(adapted.model, compiled))
      return yield* evaluateBatches(adapted, compiled, next, options.batches)
    })
  )
