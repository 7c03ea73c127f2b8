/** Source of the batches of each epoch, and its known sizes. */
import * as Effect from "effect/Effect"
import type { AdaptationPlan } from "../../../schemas/index.ts"
import type { LayersBatch } from "../../models/layers-model/index.ts"
import type { LayersDataError } from "../errors.ts"
import { type HostRows, type LayersDataset, type NextBatch, openDataset, openRows } from "./batches.ts"
import type { Slots } from "./host-arrays.ts"
import type { FitDatasetOptions, FitOptions } from "./options.ts"

export interface Source {
  /** Opens the batches of an epoch, or of this and the following epochs if `limit` is given. */
  readonly open: (epoch: number) => Effect.Effect<NextBatch, LayersDataError>
  /** number of batches after which an epoch ends; undefined: at the end of the data */
  readonly limit: number | undefined
  /** number of batches per epoch, if known */
  readonly batches: number | undefined
  /** parameters that tfjs passes to callbacks */
  readonly params: { readonly samples: number | null; readonly steps: number | null; readonly batchSize: number | null }
}

/** Returns the first batches of an epoch, and a source that still begins with them. */
export const peeked = (source: Source, epoch: number, count: number) =>
  Effect.gen(function* () {
    const next = yield* source.open(epoch)
    const seen: Array<LayersBatch> = []
    while (seen.length < Math.min(count, source.limit ?? count)) {
      const batch = yield* next
      if (batch === undefined) break
      seen.push(batch)
    }
    const waiting = [...seen]
    const first: NextBatch = Effect.suspend(() => {
      const batch = waiting.shift()
      return batch === undefined ? next : Effect.succeed(batch)
    })
    const open: Source["open"] = (other) =>
      Effect.suspend(() => (other === epoch ? Effect.succeed(first) : source.open(other)))
    return { seen, source: { ...source, open } }
  })

export const datasetSource = (dataset: LayersDataset, slots: Slots, { batchesPerEpoch }: FitDatasetOptions): Source => {
  const counted = typeof dataset.size === "number" && Number.isFinite(dataset.size) ? dataset.size : undefined
  const batches = batchesPerEpoch ?? counted
  let opened: NextBatch | undefined
  const open = openDataset(dataset, slots)
  const resume = Effect.suspend(() =>
    opened === undefined ? Effect.tap(open, (next) => Effect.sync(() => (opened = next))) : Effect.succeed(opened)
  )
  return {
    open: () => (batchesPerEpoch === undefined ? open : resume),
    limit: batchesPerEpoch,
    batches,
    params: { samples: null, steps: batches ?? null, batchSize: null }
  }
}

export const rowsSource = (rows: HostRows, { seed, training }: AdaptationPlan, options: FitOptions): Source => {
  const { batchSize = training.batchSize, shuffle = true } = options
  const batches = Math.ceil(rows.rows / batchSize)
  return {
    open: (epoch) => Effect.sync(() => openRows(rows, batchSize, shuffle ? { seed, epoch } : undefined)),
    limit: batches,
    batches,
    params: { samples: rows.rows, steps: null, batchSize }
  }
}
