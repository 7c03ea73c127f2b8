/**
 * tfjs's callbacks around our own steps: the same events in the same order with the same logs as `tf.LayersModel.fit`
 * has them.
 *
 * Differences: numbers in the logs are numbers already, never scalars still on the device; a list may mix
 * `tf.Callback`s and plain objects; a list of `tf.Callback`s alone lets the page draw as well; and the thread is given
 * up by a timer, not by an animation frame, which a page in the background does not get. Constructors given to
 * `tf.registerCallbackConstructor` are not called: tfjs keeps them where they cannot be read.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type * as tfl from "@tensorflow/tfjs-layers"
import type { Adapted } from "../../../adapters/index.ts"
import type { LayersNetwork } from "../../models/layers-model/index.ts"
import { copyOf, writeMerged } from "../merged-model.ts"
import { predictAdapted } from "../predict.ts"
import { type Compiled, graphOf } from "./compiled.ts"

/** Numbers of an epoch or a batch by tfjs's names: "loss", "acc", "val_loss". */
export type Logs = Record<string, number>

/** A plain object, as `tf.CustomCallbackArgs`: any of these. */
export interface CallbackObject {
  /** Before the first step. */
  readonly onTrainBegin?: (logs: Logs) => void | Promise<void>
  /** After the last step. */
  readonly onTrainEnd?: (logs: Logs) => void | Promise<void>
  /** Before an epoch, which is counted from 0. */
  readonly onEpochBegin?: (epoch: number, logs: Logs) => void | Promise<void>
  /** After an epoch, with its means and those of the validation ("val_loss"). */
  readonly onEpochEnd?: (epoch: number, logs: Logs) => void | Promise<void>
  /** Before a step over a batch, or over as many as are accumulated; counted from 0 within the epoch. */
  readonly onBatchBegin?: (batch: number, logs: Logs) => void | Promise<void>
  /** After that step, with its loss and metrics. */
  readonly onBatchEnd?: (batch: number, logs: Logs) => void | Promise<void>
  /** Every `yieldEvery`, with the logs of the batch before. */
  readonly onYield?: (epoch: number, batch: number, logs: Logs) => void | Promise<void>
  /** How the thread is given up; default: by a timer of 0 ms. */
  readonly nextFrameFunc?: (() => Promise<void>) | undefined
}

/** A `tf.Callback`, `tf.History` … Their events are not spelled out, so that those of a plain object have one type. */
export interface CallbackInstance {
  /** Is given the epochs, the sizes and the names of the metrics before training. */
  setParams(params: object): void
  /** Is given the model before training. */
  setModel(model: object): void
}

/** A callback of tfjs's `fit`: an object of functions, or an instance of a class. */
export type Callback = CallbackObject | CallbackInstance
/** One callback or several, as tfjs's `fit` takes them. */
export type Callbacks = Callback | ReadonlyArray<Callback>
/** When the event loop gets a turn while training; a number: milliseconds. */
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
  const own = Object.create(callback) as { nextFrameFunc?: () => Promise<void> }
  own.nextFrameFunc ??= nextTurn
  return new CustomCallback(own as tfl.CustomCallbackArgs, yieldEvery)
}

/** Throws where `yieldEvery` is "never" and a callback has an `onYield`. */
export const callbackList = (
  layers: typeof tfl,
  callbacks: Callbacks | undefined,
  yieldEvery: YieldEvery,
  history: tfl.History
): tfl.CallbackList => {
  const given = callbacks === undefined ? [] : ([callbacks].flat() as ReadonlyArray<Callback>)
  const listed = given.map((callback) => (isInstance(callback) ? callback : custom(layers, callback, yieldEvery)))
  const yields = given.some((callback) => !isInstance(callback))
  const all = [...listed, ...(yields ? [] : [custom(layers, {}, yieldEvery)]), history]
  return new layers.CallbackList(all as unknown as Array<ListedCallback>)
}

/** Means of an epoch, each batch weighted by its rows, as tfjs's own logger takes them. */
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
  /** whether someone set `stopTraining`, on this model or on the user's own */
  readonly stopped: () => boolean
  /** Puts the user's own `stopTraining` back as it was. */
  readonly close: () => void
}

/**
 * The model that tfjs callbacks are given: a real `tf.LayersModel`, with the adapted one computing for it.
 *
 * It is an object whose prototype is the user's own model, so that everything can be read and whatever a callback writes
 * (`stopTraining`) stays here. `predict`, `evaluate` and `save` see the parameters of that moment; `getWeights` gives the
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
    save: (...given: Parameters<tfl.LayersModel["save"]>) => saveMerged(adapted, ...given)
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
  ...given: Parameters<tfl.LayersModel["save"]>
): Promise<tf.io.SaveResult> => {
  const copy = copyOf(adapted.model.base)
  try {
    writeMerged(copy, adapted.model, adapted)
    return await copy.model.save(...given)
  } finally {
    copy.model.dispose()
  }
}
