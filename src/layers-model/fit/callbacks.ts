/**
 * tfjs's callbacks around our own steps: the same events in the same order with the same logs as `tf.LayersModel.fit`
 * has them.
 *
 * Differences: numbers in the logs are numbers already, never scalars still on the device; a list may mix
 * `tf.Callback`s and plain objects; a list of `tf.Callback`s alone lets the page draw as well; and the thread is given
 * up by a timer, not by an animation frame, which a page in the background does not get. Constructors given to
 * `tf.registerCallbackConstructor` are not called: tfjs keeps them where nobody can read them.
 */
import * as tf from "@tensorflow/tfjs"

export type Logs = Record<string, number>

/** A plain object, as `tf.CustomCallbackArgs`: any of these. */
export interface CallbackObject {
  readonly onTrainBegin?: (logs: Logs) => void | Promise<void>
  readonly onTrainEnd?: (logs: Logs) => void | Promise<void>
  readonly onEpochBegin?: (epoch: number, logs: Logs) => void | Promise<void>
  readonly onEpochEnd?: (epoch: number, logs: Logs) => void | Promise<void>
  readonly onBatchBegin?: (batch: number, logs: Logs) => void | Promise<void>
  readonly onBatchEnd?: (batch: number, logs: Logs) => void | Promise<void>
  /** every `yieldEvery`, with the logs of the batch before */
  readonly onYield?: (epoch: number, batch: number, logs: Logs) => void | Promise<void>
  /** how the thread is given up */
  readonly nextFrameFunc?: (() => Promise<void>) | undefined
}

/** A `tf.Callback`, `tf.History` … Their events are not spelled out, so that those of a plain object have one type. */
export interface CallbackInstance {
  setParams(params: object): void
  setModel(model: object): void
}

export type Callback = CallbackObject | CallbackInstance
export type Callbacks = Callback | ReadonlyArray<Callback>
export type YieldEvery = "auto" | "batch" | "epoch" | "never" | number

/** Gives up the thread once. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))

type ListedCallback = ConstructorParameters<typeof tf.CallbackList>[0] extends ReadonlyArray<infer C> | undefined
  ? C
  : never

const isInstance = (callback: Callback): callback is CallbackInstance =>
  typeof (callback as Partial<CallbackInstance>).setModel === "function"

/** A plain object's functions, among which the timer stands unless the object has its own. */
const custom = (callback: CallbackObject, yieldEvery: YieldEvery): tf.CustomCallback => {
  const own = Object.create(callback) as { nextFrameFunc?: () => Promise<void> }
  own.nextFrameFunc ??= nextTurn
  return new tf.CustomCallback(own as tf.CustomCallbackArgs, yieldEvery)
}

/** Throws where `yieldEvery` is "never" and somebody has an `onYield`. */
export const callbackList = (
  callbacks: Callbacks | undefined,
  yieldEvery: YieldEvery,
  history: tf.History
): tf.CallbackList => {
  const given = callbacks === undefined ? [] : ([callbacks].flat() as ReadonlyArray<Callback>)
  const listed = given.map((callback) => (isInstance(callback) ? callback : custom(callback, yieldEvery)))
  const yields = given.some((callback) => !isInstance(callback))
  const all = [...listed, ...(yields ? [] : [custom({}, yieldEvery)]), history]
  return new tf.CallbackList(all as unknown as Array<ListedCallback>)
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
