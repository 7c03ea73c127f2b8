/** Logits for comparing a merged language model with its base and adapter. */
import type { Tensor1D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../../adapters/index.ts"
import { Device } from "../../device/device.ts"
import type { DeviceError } from "../../device/index.ts"
import { IGNORED } from "../../kernels/index.ts"
import { type CausalOutput, logitsOf } from "../../models/causal/index.ts"
import { type BatchOf, type Network, toDevice } from "../../models/index.ts"
import { type DeviceReadError, readTensor } from "../../tensors/index.ts"

/** Number of compared rows: a row of logits is as long as the vocabulary, and a text may be long. */
export const CHECKED_TEXTS = 16

interface Labelled {
  readonly size: number
  readonly labels: Int32Array // [size·length]
}

/** Returns logits [rows, vocabulary] of the last label of each row, predicted from all tokens before it. */
export const lastLogits = <M extends Network, B extends BatchOf<M> & Labelled, E, R>(
  adapted: Adapted<M>,
  batches: Stream.Stream<B, E, R>
): Effect.Effect<Float32Array, E | DeviceReadError | DeviceError, R | Device> =>
  Effect.gen(function* () {
    const device = yield* Device
    const parts = yield* batches.pipe(
      Stream.mapEffect((batch) => logitsOfBatch(adapted, batch)),
      Stream.runCollect
    )
    yield* device.sync
    const logits = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of parts) {
      logits.set(part, at)
      at += part.length
    }
    return logits
  })

const logitsOfBatch = <M extends Network, B extends BatchOf<M> & Labelled>(adapted: Adapted<M>, batch: B) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() => {
        const { input } = toDevice(adapted.model, batch)
        const output = adapted.forward(input, adapted.trainable) as CausalOutput
        const last: Tensor1D = tf.tensor1d(lastCounted(batch), "int32")
        return logitsOf(tf.gather(output.hidden, last), output)
      })
    ),
    (logits) => Effect.map(readTensor(logits, "logits of the merge check"), (data) => data as Float32Array),
    (logits) => Effect.sync(() => logits.dispose())
  )

const lastCounted = ({ size, labels }: Labelled): Int32Array => {
  const length = labels.length / size
  return Int32Array.from({ length: size }, (_, row) => {
    let last = (row + 1) * length - 1
    while (last > row * length && labels[last] === IGNORED) last--
    return last
  })
}
