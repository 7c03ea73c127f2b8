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
  /** name of the values: "the loss of step 12" */
  what: Schema.String,
  /** the device's, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `reading ${this.what} from the device failed: ${this.reason}`
  }
}

/** Returns whether tensors of the current backend are in host memory, so that a read is a copy instead of a wait. */
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

/** Reads the values of float32 tensors, concatenated: one copy per tensor in host memory, otherwise a single wait. `what` names them in the error. */
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

/** Creates float32 tensors of these shapes from consecutive values, beginning at `start`. The caller disposes them. */
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
