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
  what: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `reading ${this.what} from the device failed: ${this.reason}`
  }
}

/** Do tensors of the current backend lie in host memory, so that a read is a copy and not a wait? */
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
