/**
 * Which base an adapter belongs to: 64 bits of all its weights, their shapes and order included. Over other weights an
 * adapter loads without complaint and answers nonsense; with this it can tell. Names do not count: tfjs numbers them
 * anew in each program.
 *
 * Two FNV-1a sums over 32-bit words with different starts: identity, no protection against somebody who wants to
 * deceive. (SHA-256 is not to be had in pages that are served without TLS.)
 */
import type * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type DeviceReadError, readTensor } from "../tensors/index.ts"

const PRIME = 0x01000193
const STARTS = [0x811c9dc5, 0x050c5d1f] as const

const mixed = (state: number, words: Int32Array): number => {
  let hash = state
  // the rotation brings high bits down, which the product alone never does
  for (const word of words) hash = Math.imul(((hash << 13) | (hash >>> 19)) ^ word, PRIME)
  return hash
}

const hexadecimal = (hash: number): string => (hash >>> 0).toString(16).padStart(8, "0")

/** 16 hexadecimal digits. Reads every weight from the device, one after the other. */
export const fingerprintOf = (model: tf.LayersModel): Effect.Effect<string, DeviceReadError> =>
  Effect.gen(function* () {
    let [first, second]: [number, number] = [...STARTS]
    for (const [i, weight] of model.getWeights().entries()) {
      const values = yield* readTensor(weight, `weight ${i} of ${model.name}`)
      const numbers = Float32Array.from(values) // bool and int32 weights are rare, and small
      const words = new Int32Array(numbers.buffer)
      const shape = Int32Array.from([weight.rank, ...weight.shape])
      first = mixed(mixed(first, shape), words)
      second = mixed(
        mixed(second, shape),
        words.map((word) => ~word)
      )
    }
    return hexadecimal(first) + hexadecimal(second)
  })
