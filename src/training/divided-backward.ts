/**
 * The backward pass of a step over several ranks: each differentiates some micro-batches, and gradients are exchanged once a step. They are
 * summed in the order of the micro-batches, as a single rank does, so the sum has the same bits whichever rank computed its terms.
 *
 *   [ asked to stop | loss₀, gradients₀ | loss₁, gradients₁ | … ]     message of a rank: float32, for its micro-batches
 *
 * A sum of two float32 numbers is rounded once, on the device and here alike. Each rank receives 4 bytes per trained value and
 * micro-batch (`divided-rounds.ts`).
 */
import type { Scalar } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { BatchOf, Network } from "../models/index.ts"
import { floats, type RankError, type RanksShape } from "../ranks/index.ts"
import { type DeviceReadError, readTogether, tensorsFrom, tensorsOf, withTensors } from "../tensors/index.ts"
import { type Differentiated, type LossAndGradients, microBatch } from "./backward.ts"
import { bytesPerRank, dividedRounds } from "./divided-rounds.ts"

/** Computes the loss and gradients of a step together with the other ranks. The caller disposes both. */
export const dividedBackward = <M extends Network>(
  ranks: RanksShape,
  session: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>
): Effect.Effect<LossAndGradients, DeviceReadError | RankError> =>
  Effect.gen(function* () {
    const params = session.adapted.trainable
    const xs = tensorsOf(params)
    /** numbers of a micro-batch: its loss and its gradients */
    const width = xs.reduce((sum, { size }) => sum + size, 1)
    const total = new Float32Array(width)
    let terms = 0
    for (const ranges of dividedRounds(batches.length, width, ranks.size)) {
      const range = ranges[ranks.rank]!
      const message = new Float32Array(1 + (range.end - range.start) * width)
      message[0] = ranks.stop.requested ? 1 : 0
      for (let i = range.start; i < range.end; i++) {
        const made = microBatch(session, batches, i, xs)
        const numbers = yield* readTogether(made, `the gradients of micro-batch ${i + 1}`).pipe(
          Effect.ensuring(Effect.sync(() => tf.dispose([...made])))
        )
        message.set(numbers, 1 + (i - range.start) * width)
      }
      const all = yield* ranks.allGather(new Uint8Array(message.buffer), bytesPerRank(ranges, width))
      let stop = false
      for (const bytes of all) {
        const values = floats.read(bytes)
        stop ||= values[0] === 1
        for (let at = 1; at < values.length; at += width) {
          const term = values.subarray(at, at + width)
          // the first is no sum: −0 stays
          if (terms++ === 0) total.set(term)
          else for (let k = 0; k < width; k++) total[k] = total[k]! + term[k]!
        }
      }
      ranks.stop.agreed ||= stop
    }
    const [loss, ...gradients] = tensorsFrom(total, [[], ...xs.map(({ shape }) => shape)])
    return { loss: loss as Scalar, gradients: withTensors(params, gradients) }
  })
