/**
 * The one way a number leaves the device: an asynchronous read, as an Effect. (A synchronous read throws on WebGPU outside a
 * browser, and stalls the queue inside one.)
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { messageOf } from "../boundary/index.ts"

export class DeviceReadError extends Schema.TaggedError<DeviceReadError>()("DeviceReadError", {
  /** what was read: "the loss of step 12" */
  what: Schema.String,
  /** the device's, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `reading ${this.what} from the device failed: ${this.reason}`
  }
}

/** Are tensors of the current backend in host memory, so that a read is a copy and not a wait? */
export const isHostResident = (): boolean => ["cpu", "wasm"].includes(tf.getBackend())

/** Reads a tensor's values. `what` names it in the error, e.g. "the loss of step 12". */
export const readTensor = (
  tensor: Tensor,
  what: string
): Effect.Effect<Float32Array | Int32Array | Uint8Array, DeviceReadError> =>
  Effect.tryPromise({
    try: () => tensor.data(),
    catch: (cause) => new DeviceReadError({ what, reason: messageOf(cause) })
  })

/**
 * The numbers of float32 tensors, one after the other: as many copies where they are in host memory, one wait where they are not. `what` names
 * them in the error.
 */
export const readTogether = (
  tensors: ReadonlyArray<Tensor>,
  what: string
): Effect.Effect<Float32Array, DeviceReadError> =>
  Effect.gen(function* () {
    if (!isHostResident() && tensors.length > 0) {
      const joined = tf.tidy(() => tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1]))))
      return (yield* Effect.ensuring(
        readTensor(joined, what),
        Effect.sync(() => joined.dispose())
      )) as Float32Array
    }
    const all = new Float32Array(tensors.reduce((sum, { size }) => sum + size, 0))
    let end = 0
    for (const tensor of tensors) {
      all.set(yield* readTensor(tensor, what), end)
      end += tensor.size
    }
    return all
  })

/** float32 tensors of these shapes, whose numbers lie one after the other from `start` on. The caller disposes them. */
export const tensorsFrom = (
  numbers: Float32Array,
  shapes: ReadonlyArray<ReadonlyArray<number>>,
  start = 0
): ReadonlyArray<Tensor> => {
  let end = start
  return shapes.map((shape) => {
    const from = end
    end += shape.reduce((size, n) => size * n, 1)
    return tf.tensor(numbers.subarray(from, end), [...shape])
  })
}
