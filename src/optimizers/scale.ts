/**
 * The last link of a chain: updates · −η. It carries the minus sign, because updates are added to the parameters.
 *
 * Its state is the number of steps taken, kept on the host.
 */
import { scaled } from "../kernels/combination.ts"
import { tensorsOf, withTensors } from "../tensors/index.ts"
import { rateAt, type Schedule } from "./schedule.ts"
import type { Transform } from "./transform.ts"

export const scaleByLearningRate = (learningRate: Schedule | number): Transform<number> => ({
  init: () => 0,
  update: (updates, state) => {
    const rate = rateAt(learningRate, state + 1)
    return { updates: withTensors(updates, scaled(-rate, tensorsOf(updates))), state: state + 1 }
  },
  learningRate: (state) => rateAt(learningRate, state + 1)
})
