/**
 * The last link of a chain: updates · −η. It carries the minus sign, because updates are added to the parameters.
 *
 * Its state is the number of steps taken, kept on the host.
 */
import * as tf from "@tensorflow/tfjs"
import { mapTensors } from "../tensors/trainable.ts"
import { rateAt, type Schedule } from "./schedule.ts"
import type { Transform } from "./transform.ts"

export const scaleByLearningRate = (learningRate: Schedule | number): Transform<number> => ({
  init: () => 0,
  update: (updates, state) => {
    const rate = rateAt(learningRate, state + 1)
    return { updates: mapTensors((u) => tf.mul(u, -rate), updates), state: state + 1 }
  },
  learningRate: (state) => rateAt(learningRate, state + 1)
})
