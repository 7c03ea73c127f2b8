/** The result of `adapt`: adapters of one LayersModel, and their methods, as promises. */
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
 * A `tf.LayersModel` with one or more adapters: train, switch, combine, merge and save them. The base model is never
 * changed. Methods reject with an AdaptError, a FitError or an AdapterFileError.
 */
export interface AdaptedLayersModel {
  /** the base model for the Effect API: `inject(network, method, …)` takes it */
  readonly network: LayersNetwork
  /** the active adapter for the Effect API. Throws an AdaptError if none is active */
  readonly adapted: Adapted<LayersNetwork>
  /** names of all adapters, in the order in which they were added */
  readonly names: ReadonlyArray<string>
  /** name of the active adapter; null: the base model alone */
  readonly active: string | null
  /** Trains the active adapter and the head as `model.fit` does. See `fit/` for additional options. */
  readonly fit: (x: LayersData, y: LayersData, options?: FitOptions) => Promise<FitHistory>
  /** Trains the active adapter and the head as `model.fitDataset` does. */
  readonly fitDataset: (dataset: LayersDataset, options?: FitDatasetOptions) => Promise<FitHistory>
  /** Computes loss and metrics of the compiled model with the active adapter, or of the base model if none is active. */
  readonly evaluate: (x: LayersData, y: LayersData, options?: EvaluateOptions) => Promise<Logs>
  /** Computes loss and metrics over a dataset. */
  readonly evaluateDataset: (dataset: LayersDataset, options?: EvaluateOptions) => Promise<Logs>
  /** Predicts as `model.predict` does, with the active adapter; if none is active, calls `model.predict` itself. */
  readonly predict: (x: ModelInput, options?: PredictOptions) => tf.Tensor | Array<tf.Tensor>
  /** Activates an adapter; null deactivates all. The live model is updated, at the cost of one merge. */
  readonly use: (name: string | null) => void
  /** Activates the adapter that was active last. */
  readonly on: () => void
  /** Deactivates the adapter, which leaves the base model. */
  readonly off: () => void
  /**
   * Adds another adapter to the same base, new or saved, which takes memory for its own parameters only, and does not activate it. A new
   * adapter that is initialized from training data takes `examples` as `adapt` does, and sees the base without any adapter. Rejects
   * with an AdaptError, an AdapterFileError or a LayersDataError; nothing is added then.
   */
  readonly add: (
    name: string,
    from?: AdaptOptionsInput | AdapterSource,
    options?: RestoreOptions & CalibrationData
  ) => Promise<void>
  /** Removes an adapter. Rejects with an AdaptError if no adapter has that name. */
  readonly remove: (name: string) => Promise<void>
  /**
   * Combines adapters by name into a new one, θ₀ + Σ wₖ (θₖ − θ₀), and does not activate it:
   * `{ a: 0.5, b: 0.5 }` averages two, `{ a: -1 }` inverts an adapter's effect. Ranks add up; `rank` truncates them, and
   * the report states the error of that.
   */
  readonly combine: (weights: Readonly<Record<string, number>>, options: CombineOptions) => Promise<Combined>
  /** Returns a new LayersModel with its own weights and the active adapter merged in. The caller disposes it. */
  readonly model: () => Promise<tfl.LayersModel>
  /**
   * Returns one LayersModel whose weights follow `use`, `fit` and `refresh`, for programs that display or serve a model object.
   * It owns its adapted weights and shares all others with the base. It is disposed with the adapters.
   */
  readonly live: () => Promise<tfl.LayersModel>
  /**
   * Copies the current parameters to the live model; needed after training by other means than `fit` and `fitDataset`.
   */
  readonly refresh: () => void
  /**
   * Saves the active adapter without the base: a few kilobytes. Folders get PEFT's layout, other targets what tfjs's
   * handlers store (`places.ts`). Rejects with an AdapterFileError.
   */
  readonly save: (target: AdapterTarget) => Promise<tf.io.SaveResult>
  /**
   * Returns the active adapter as files in PEFT's layout: adapter_model.safetensors, and adapter_config.json for methods that
   * PEFT supports.
   */
  readonly files: () => Promise<AdapterFiles>
  /** Disposes all adapters, the tensors held of the base, and the live model. The base model does not change. */
  readonly dispose: () => Promise<void>
}

/** A user's model as a network that stays open until it is closed. */
export interface OpenNetwork {
  readonly network: LayersNetwork
  /** layers that are trained in full */
  readonly head: ReadonlyArray<string>
  readonly close: () => Promise<void>
}

/** Creates the adapted model; the first of `adapters` is active. */
export const adaptedLayersModel = (
  { network, head, close }: OpenNetwork,
  adapters: ReadonlyArray<readonly [name: string, adapter: HeldAdapter]>
): AdaptedLayersModel => {
  const first = adapters[0]?.[0] ?? null
  const adaptersByName = new Map(adapters)
  const set: AdapterSet = {
    network,
    head,
    adapters: adaptersByName,
    active: first,
    last: first,
    live: null,
    disposed: false
  }
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
