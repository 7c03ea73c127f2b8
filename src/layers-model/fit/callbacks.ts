/**
 * tfjs callbacks for the package's own training steps: the same events in the same order with the same logs as `tf.LayersModel.fit`.
 *
 * Differences: log values are always numbers, never scalars on the device; a list may mix
 * `tf.Callback`s and plain objects; a list of `tf.Callback`s alone also lets the page draw; and training yields
 * by a timer, not by an animation frame, which a page in the background does not get. Constructors registered with
 * `tf.registerCallbackConstructor` are not called: tfjs does not expose them.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type * as tfl from "@tensorflow/tfjs-layers"
import type { Adapted } from "../../../adapters/index.ts"
import type { LayersNetwork } from "../../models/layers-model/index.ts"
import { copyOf, writeMerged } from "../merged-model.ts"
import { predictAdapted } from "../predict.ts"
import { type Compiled, graphOf } from "./compiled.ts"

/** Values of an epoch or a batch by tfjs's names: "loss", "acc", "val_loss". */
export type Logs = Record<string, number>

/** Callbacks as a plain object, as `tf.CustomCallbackArgs`; all are optional. */
export interface CallbackObject {
  /** Called before the first step. */
  readonly onTrainBegin?: (logs: Logs) => void | Promise<void>
  /** Called after the last step. */
  readonly onTrainEnd?: (logs: Logs) => void | Promise<void>
  /** Called before an epoch, counted from 0. */
  readonly onEpochBegin?: (epoch: number, logs: Logs) => void | Promise<void>
  /** Called after an epoch, with its means and those of the validation ("val_loss"). */
  readonly onEpochEnd?: (epoch: number, logs: Logs) => void | Promise<void>
  /** Called before a step over one batch, or over several with gradient accumulation; counted from 0 within the epoch. */
  readonly onBatchBegin?: (batch: number, logs: Logs) => void | Promise<void>
  /** Called after that step, with its loss and metrics. */
  readonly onBatchEnd?: (batch: number, logs: Logs) => void | Promise<void>
  /** Called every `yieldEvery`, with the logs of the previous batch. */
  readonly onYield?: (epoch: number, batch: number, logs: Logs) => void | Promise<void>
  /** Yields to the event loop; default: a timer of 0 ms. */
  readonly nextFrameFunc?: (() => Promise<void>) | undefined
}

/** An instance of `tf.Callback`, `tf.History` and the like. Its events are not declared, so that those of a plain object have one type. */
export interface CallbackInstance {
  /** Receives the epochs, the sizes and the names of the metrics before training. */
  setParams(params: object): void
  /** Receives the model before training. */
  setModel(model: object): void
}

/** A callback of tfjs's `fit`: an object of functions, or an instance of a class. */
export type Callback = CallbackObject | CallbackInstance
/** One callback or several, as in tfjs's `fit`. */
export type Callbacks = Callback | ReadonlyArray<Callback>
/** How often training yields to the event loop; a number: interval in milliseconds. */
export type YieldEvery = "auto" | "batch" | "epoch" | "never" | number

/** Gives up the thread once. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))

type ListedCallback = ConstructorParameters<typeof tfl.CallbackList>[0] extends ReadonlyArray<infer C> | undefined
  ? C
  : never

const isInstance = (callback: Callback): callback is CallbackInstance =>
  typeof (callback as Partial<CallbackInstance>).setModel === "function"

/** A plain object's functions, with the timer among them unless the object has its own. */
const custom = (
  { CustomCallback }: typeof tfl,
  callback: CallbackObject,
  yieldEvery: YieldEvery
): tfl.CustomCallback => {
  const wrapped = Object.create(callback) as { nextFrameFunc?: () => Promise<void> }
  wrapped.nextFrameFunc ??= nextTurn
  return new CustomCallback(wrapped as tfl.CustomCallbackArgs, yieldEvery)
}

/** Creates the callback list. Throws if `yieldEvery` is "never" and a callback has an `onYield`. */
export const callbackList = (
  layers: typeof tfl,
  callbacks: Callbacks | undefined,
  yieldEvery: YieldEvery,
  history: tfl.History
): tfl.CallbackList => {
  const list = callbacks === undefined ? [] : ([callbacks].flat() as ReadonlyArray<Callback>)
  const listed = list.map((callback) => (isInstance(callback) ? callback : custom(layers, callback, yieldEvery)))
  const yields = list.some((callback) => !isInstance(callback))
  const all = [...listed, ...(yields ? [] : [custom(layers, {}, yieldEvery)]), history]
  return new layers.CallbackList(all as unknown as Array<ListedCallback>)
}

/** Means over an epoch, each batch weighted by its rows, as in tfjs's own logger. */
export class EpochMeans {
  private readonly totals = new Map<string, { sum: number; rows: number }>()

  add(logs: Logs, rows: number): void {
    for (const [name, value] of Object.entries(logs)) {
      const { sum, rows: seen } = this.totals.get(name) ?? { sum: 0, rows: 0 }
      this.totals.set(name, { sum: sum + value * rows, rows: seen + rows })
    }
  }

  means(): Logs {
    return Object.fromEntries([...this.totals].map(([name, { sum, rows }]) => [name, sum / rows]))
  }
}

export interface CallbackModel {
  readonly model: tfl.LayersModel
  /** Returns whether `stopTraining` was set, on this model or on the user's own. */
  readonly stopped: () => boolean
  /** Restores the user's own `stopTraining`. */
  readonly close: () => void
}

/**
 * Creates the model that tfjs callbacks receive: a real `tf.LayersModel` that computes with the adapter.
 *
 * It is an object whose prototype is the user's model, so all properties can be read, and whatever a callback writes
 * (`stopTraining`) stays on it. `predict`, `evaluate` and `save` use the current parameters; `getWeights` returns the
 * base's. Overrides private methods of tfjs-layers 4.22 (`predictLoop`, `makeTestFunction`), which its public ones call.
 */
export const callbackModel = (
  adapted: Adapted<LayersNetwork>,
  compiled: Compiled,
  history: tfl.History
): CallbackModel => {
  const graph = graphOf(adapted.model.base)
  const before = graph.stopTraining
  const model = Object.create(graph) as tfl.LayersModel
  const testFunction = testOf(adapted, compiled)
  Object.assign(model, {
    history,
    isTraining: true,
    predictLoop: (inputs: Tensor | Array<Tensor>, batchSize = 32) =>
      predictAdapted(adapted, [inputs].flat(), { batchSize }),
    testFunction,
    // tfjs makes it anew before every evaluation
    makeTestFunction: () => {},
    save: (...args: Parameters<tfl.LayersModel["save"]>) => saveMerged(adapted, ...args)
  })
  // tfjs begins with false too
  model.stopTraining = false
  graph.stopTraining = false
  return {
    model,
    stopped: () => model.stopTraining || graph.stopTraining,
    close: () => {
      graph.stopTraining = before
    }
  }
}

/** From inputs and targets in one list to a scalar for each score. */
const testOf =
  (adapted: Adapted<LayersNetwork>, compiled: Compiled) =>
  (data: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> =>
    tf.tidy(() => {
      const { length: inputs } = adapted.model.base.inputs
      const outputs = adapted.forward(data.slice(0, inputs), adapted.trainable)
      return tf.unstack(compiled.score(outputs, data.slice(inputs)).scores)
    })

/** What a callback that saves the model saves: the base with the adapter merged in. */
const saveMerged = async (
  adapted: Adapted<LayersNetwork>,
  ...args: Parameters<tfl.LayersModel["save"]>
): Promise<tf.io.SaveResult> => {
  const copy = copyOf(adapted.model.base)
  try {
    writeMerged(copy, adapted.model, adapted)
    return await copy.model.save(...args)
  } finally {
    copy.model.dispose()
  }
}
