/** What `adapt` returns: adapters over one LayersModel, and what can be done with them, as promises. */
import type * as tf from "@tensorflow/tfjs-core"
import type * as tfl from "@tensorflow/tfjs-layers"
import type { Adapted } from "../../adapters/index.ts"
import type { LayersNetwork } from "../models/layers-model/index.ts"
import {
  type AdapterSet,
  activeOf,
  add,
  type CombineOptions,
  combine,
  dispose,
  liveModel,
  newModel,
  predict,
  refresh,
  remove,
  saveActive,
  turnOn
} from "./adapter-set.ts"
import type { Combined } from "./arithmetic.ts"
import type { CalibrationData } from "./calibration-data.ts"
import {
  type EvaluateOptions,
  evaluate,
  evaluateDataset,
  type FitDatasetOptions,
  type FitHistory,
  type FitOptions,
  fit,
  fitDataset,
  type LayersData,
  type LayersDataset,
  type Logs
} from "./fit/index.ts"
import { type HeldAdapter, initAdapter } from "./held-adapter.ts"
import type { AdaptOptionsInput } from "./options.ts"
import type { AdapterSource, AdapterTarget } from "./places.ts"
import type { ModelInput, PredictOptions } from "./predict.ts"
import { promised } from "./promised.ts"
import type { RestoreOptions } from "./saved-adapter.ts"
import type { AdapterFiles } from "./stored-forms.ts"

/**
 * A `tf.LayersModel` with adapters over it: train, switch, combine, merge and save them. The model itself is never
 * changed. Methods reject with an AdaptError, a FitError or an AdapterFileError.
 */
export interface AdaptedLayersModel {
  /** the Effect door's value of the base: `inject(network, method, …)` takes it */
  readonly network: LayersNetwork
  /** the Effect door's value of the adapter that is on. Throws an AdaptError while none is */
  readonly adapted: Adapted<LayersNetwork>
  /** all adapters, in the order in which they came */
  readonly names: ReadonlyArray<string>
  /** the adapter that is on; null: the base alone */
  readonly active: string | null
  /** As `model.fit`, of the active adapter and the head alone; its own options are those of `fit/`. */
  readonly fit: (x: LayersData, y: LayersData, options?: FitOptions) => Promise<FitHistory>
  /** As `model.fitDataset`, likewise. */
  readonly fitDataset: (dataset: LayersDataset, options?: FitDatasetOptions) => Promise<FitHistory>
  /** Loss and metrics of the compiled model with the active adapter, or of the base while none is on. */
  readonly evaluate: (x: LayersData, y: LayersData, options?: EvaluateOptions) => Promise<Logs>
  /** The same of a dataset. */
  readonly evaluateDataset: (dataset: LayersDataset, options?: EvaluateOptions) => Promise<Logs>
  /** As `model.predict`, with the active adapter; with none, `model.predict` itself. */
  readonly predict: (x: ModelInput, options?: PredictOptions) => tf.Tensor | Array<tf.Tensor>
  /** Turns an adapter on; null: none. The live model follows, at the cost of one merge. */
  readonly use: (name: string | null) => void
  /** Turns on the adapter that was on last. */
  readonly on: () => void
  /** Turns the adapter that is on off: the base alone. */
  readonly off: () => void
  /**
   * Another adapter over the same base, new or saved, which costs its own numbers alone. It is not turned on. A new
   * one that starts from training data takes `examples` as `adapt` does, and sees the base without any adapter. Rejects
   * with an AdaptError, an AdapterFileError or a LayersDataError, and then nothing is added.
   */
  readonly add: (
    name: string,
    from?: AdaptOptionsInput | AdapterSource,
    options?: RestoreOptions & CalibrationData
  ) => Promise<void>
  /** Drops an adapter. Rejects with an AdaptError if no adapter has that name. */
  readonly remove: (name: string) => Promise<void>
  /**
   * θ₀ + Σ wₖ (θₖ − θ₀) of adapters by their names, as an adapter of its own, which is not turned on:
   * `{ a: 0.5, b: 0.5 }` merges two, `{ a: -1 }` turns one's effect round. Ranks add up; `rank` brings them back, and
   * the report says what that costs.
   */
  readonly combine: (weights: Readonly<Record<string, number>>, options: CombineOptions) => Promise<Combined>
  /** A new LayersModel with weights of its own into which the active adapter is merged. The caller disposes it. */
  readonly model: () => Promise<tfl.LayersModel>
  /**
   * A LayersModel whose weights follow `use`, `fit` and `refresh`: what shows a model or serves it keeps one object.
   * Adapted weights are its own, all others it shares with the base. It is disposed with the adapters.
   */
  readonly live: () => Promise<tfl.LayersModel>
  /**
   * Puts the current parameters into the live model; for training by other means than `fit` and `fitDataset`.
   */
  readonly refresh: () => void
  /**
   * Saves the active adapter: a few kilobytes, without the base. Folders get PEFT's layout, other places what tfjs's
   * handlers store (`places.ts`). Rejects with an AdapterFileError.
   */
  readonly save: (target: AdapterTarget) => Promise<tf.io.SaveResult>
  /**
   * The active adapter as files in PEFT's layout: adapter_model.safetensors, and adapter_config.json for methods that
   * PEFT knows.
   */
  readonly files: () => Promise<AdapterFiles>
  /** Disposes all adapters, what is held of the base, and the live model. The base does not change. */
  readonly dispose: () => Promise<void>
}

/** A user's model as a network that lives until it is closed. */
export interface OpenNetwork {
  readonly network: LayersNetwork
  /** layers that are trained themselves */
  readonly head: ReadonlyArray<string>
  readonly close: () => Promise<void>
}

/** The first of `adapters` is on. */
export const adaptedLayersModel = (
  { network, head, close }: OpenNetwork,
  adapters: ReadonlyArray<readonly [name: string, adapter: HeldAdapter]>
): AdaptedLayersModel => {
  const first = adapters[0]?.[0] ?? null
  const own = new Map(adapters)
  const set: AdapterSet = { network, head, adapters: own, active: first, last: first, live: null, disposed: false }
  return {
    network,
    get adapted() {
      return activeOf(set).adapted
    },
    get names() {
      return [...set.adapters.keys()]
    },
    get active() {
      return set.active
    },
    fit: (x, y, options) => trained(set, (adapted) => fit(adapted, x, y, options)),
    fitDataset: (dataset, options) => trained(set, (adapted) => fitDataset(adapted, dataset, options)),
    evaluate: (x, y, options) => evaluated(set, (adapted) => evaluate(adapted, x, y, options)),
    evaluateDataset: (dataset, options) => evaluated(set, (adapted) => evaluateDataset(adapted, dataset, options)),
    predict: (x, options) => predict(set, x, options),
    use: (name) => turnOn(set, name),
    on: () => turnOn(set, set.last),
    off: () => turnOn(set, null),
    add: (name, from, options) => add(set, name, from, options),
    remove: (name) => remove(set, name),
    combine: (weights, options) => combine(set, weights, options),
    model: async () => newModel(set).model,
    live: async () => liveModel(set),
    refresh: () => refresh(set),
    save: async (target) => {
      const { saved, files } = await saveActive(set)
      const { saveTo } = await import("./adapter-files.ts")
      return saveTo(target, saved, files)
    },
    files: async () => (await saveActive(set)).files(),
    dispose: () => dispose(set, close)
  }
}

type Adaption = Adapted<LayersNetwork>

/** Training of the adapter that is on. The live model has what came of it, also of a run that failed. */
const trained = async <T>(set: AdapterSet, train: (adapted: Adaption) => Promise<T>): Promise<T> => {
  const { adapted } = activeOf(set)
  try {
    return await train(adapted)
  } finally {
    if (!set.disposed) refresh(set)
  }
}

/** With none on, the base as an adapter of nothing. */
const evaluated = async <T>(set: AdapterSet, evaluation: (adapted: Adaption) => Promise<T>): Promise<T> => {
  if (set.active !== null) return evaluation(activeOf(set).adapted)
  const nothing = { config: { method: "none", modulesToSave: [] }, seed: 0 } as const
  const base = await promised(initAdapter(set.network, nothing))
  try {
    return await evaluation(base.adapted)
  } finally {
    await base.close()
  }
}
