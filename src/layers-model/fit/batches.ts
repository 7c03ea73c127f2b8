/**
 * Batches for a LayersModel from a `tf.data.Dataset`, or from arrays and tensors.
 *
 * Elements of a dataset are consumed, as in tfjs's own `fitDataset`: they are read and disposed. Arrays and tensors
 * passed as x and y remain the caller's.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { messageOf } from "../../boundary/index.ts"
import { epochOrder } from "../../data/index.ts"
import type { HostArray, LayersBatch, LayersNetwork } from "../../models/layers-model/index.ts"
import { LayersDataError } from "../errors.ts"
import { compiledOf } from "./compiled.ts"
import { hostArrays, type Slots, slotsOf } from "./host-arrays.ts"

/** A source of `{ xs, ys }` elements, such as a `tf.data.Dataset`. */
export interface LayersDataset {
  /** Returns an iterator from the first element. */
  readonly iterator: () => Promise<{
    /** Returns the next `{ xs, ys }`, whose tensors are disposed after reading; no value after the last element. */
    readonly next: () => Promise<IteratorResult<unknown>>
  }>
  /** number of elements, if known; infinite for an endless dataset */
  readonly size?: number | null
}

/** Returns whether a value is a tfjs dataset: an object with an `iterator`. */
export const isDataset = (value: unknown): value is LayersDataset =>
  typeof (value as LayersDataset | undefined)?.iterator === "function"

/** Returns the next batch, or undefined after the last. */
export type NextBatch = Effect.Effect<LayersBatch | undefined, LayersDataError>

const batchOf = (arrays: Pick<LayersBatch, "inputs" | "targets">): LayersBatch => {
  const size = arrays.inputs[0]!.shape[0]!
  return { size, tokens: size, ...arrays }
}

/** Opens a dataset from its first element. */
export const openDataset = (
  dataset: LayersDataset,
  slots: Slots,
  name = "the dataset"
): Effect.Effect<NextBatch, LayersDataError> => {
  const failed = (where: string) => (cause: unknown) =>
    new LayersDataError({ where, problems: [{ path: "data", message: messageOf(cause) }] })
  const open = Effect.tryPromise({ try: () => dataset.iterator(), catch: failed(name) })
  return Effect.map(open, (iterator) => {
    let batch = 0
    const next: NextBatch = Effect.suspend(() => {
      const where = `batch ${++batch} of ${name}`
      return Effect.tryPromise({ try: () => iterator.next(), catch: failed(where) }).pipe(
        Effect.flatMap(({ value }) => {
          if (value === null || value === undefined) return Effect.succeed(undefined)
          const { xs, ys } = value as { readonly xs?: unknown; readonly ys?: unknown }
          return hostArrays(xs, ys, slots, where).pipe(
            Effect.map(batchOf),
            Effect.ensuring(Effect.sync(() => tf.dispose(value as tf.TensorContainer)))
          )
        })
      )
    })
    return next
  })
}

/** What a compiled model's inputs and losses take; of one that is not compiled targets have any shape. */
const compiledSlots = (network: Pick<LayersNetwork, "base">): Slots =>
  slotsOf(network, Result.getOrUndefined(compiledOf(network.base)))

/**
 * Returns a dataset of `{ xs, ys }` as a stream, for Effect pipelines: `Training.steps` takes it.
 *
 * @example
 * import { Console, Effect, Stream } from "effect"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { compiledLoss, layersBatches, type LayersDataset } from "tfjs-lora-pro/layers"
 * import type { LayersNetwork } from "tfjs-lora-pro/models"
 * import { adamw } from "tfjs-lora-pro/optimizers"
 * import { steps } from "tfjs-lora-pro/training"
 *
 * const trained = (adapted: Adapted<LayersNetwork>, dataset: LayersDataset) =>
 *   Effect.gen(function* () {
 *     const loss = yield* compiledLoss(adapted.model)
 *     yield* layersBatches(adapted.model, dataset).pipe(
 *       steps(adapted, { optimizer: adamw({ learningRate: 1e-3 }), loss }),
 *       Stream.runForEach(({ step, loss }) => Console.log(step, loss))
 *     )
 *   })
 */
export const layersBatches = (
  network: Pick<LayersNetwork, "base">,
  dataset: LayersDataset,
  slots: Slots = compiledSlots(network)
): Stream.Stream<LayersBatch, LayersDataError> =>
  Stream.unwrap(
    Effect.map(openDataset(dataset, slots), (next) =>
      Stream.unfold(next, (from) =>
        Effect.map(from, (batch) => (batch === undefined ? undefined : ([batch, from] as const)))
      )
    )
  )

/** Rows of x and y, on the host. */
export interface HostRows {
  readonly rows: number
  readonly inputs: ReadonlyArray<HostArray>
  readonly targets: ReadonlyArray<HostArray>
}

export const hostRows = (
  x: unknown,
  y: unknown,
  slots: Slots,
  where = "x and y"
): Effect.Effect<HostRows, LayersDataError> =>
  Effect.map(hostArrays(x, y, slots, where), (arrays) => ({ rows: arrays.inputs[0]!.shape[0]!, ...arrays }))

/** The rows with these numbers, in this order. */
const copied = ({ values, shape, dtype }: HostArray, rows: ArrayLike<number>): HostArray => {
  const width = values.length / shape[0]!
  const copy = new (values.constructor as Float32ArrayConstructor)(rows.length * width)
  for (let i = 0; i < rows.length; i++)
    copy.set(values.subarray(rows[i]! * width, (rows[i]! + 1) * width) as Float32Array, i * width)
  return { values: copy, shape: [rows.length, ...shape.slice(1)], dtype }
}

export const takeRows = ({ inputs, targets }: HostRows, rows: ArrayLike<number>): HostRows => ({
  rows: rows.length,
  inputs: inputs.map((array) => copied(array, rows)),
  targets: targets.map((array) => copied(array, rows))
})

/** Opens batches of rows in their order, or in the seeded order of an epoch. */
export const openRows = (
  rows: HostRows,
  batchSize: number,
  shuffled?: { readonly seed: number; readonly epoch: number }
): NextBatch => {
  const order =
    shuffled === undefined
      ? Uint32Array.from({ length: rows.rows }, (_, i) => i)
      : epochOrder(rows.rows, shuffled.seed, shuffled.epoch)
  let from = 0
  return Effect.sync(() => {
    if (from >= order.length) return undefined
    const part = order.subarray(from, from + batchSize)
    from += batchSize
    return batchOf(takeRows(rows, part))
  })
}
