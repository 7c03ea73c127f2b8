/**
 * A ~ U(−1/√in, 1/√in), B = 0: PyTorch's `kaiming_uniform_(a = √5)`, the init of Hu et al. 2021 and PEFT's default.
 *
 * With gain √(2/(1+a²)) = √(1/3), the bound is gain·√(3/in) = 1/√in.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { initFacts } from "../../schemas/index.ts"
import type { Random } from "../../src/numbers/index.ts"
import type { Initializer } from "./initializer.ts"

/** Returns A [rank, inputs] with Kaiming's uniform distribution. */
export const kaimingRows = (rank: number, inputs: number, random: Random): Float32Array => {
  const bound = 1 / Math.sqrt(inputs)
  return Float32Array.from({ length: rank * inputs }, () => (2 * random() - 1) * bound)
}

/** Kaiming-uniform A, zero B. */
export const kaiming: Initializer<unknown> = {
  ...initFacts.kaiming,
  init: (_config, { site, rank }, { random }) =>
    Effect.sync(() => {
      const A = kaimingRows(rank, site.in, random)
      return { A: tf.tensor2d(A, [rank, site.in]), B: tf.zeros<tf.Rank.R2>([site.out, rank]) }
    }),
  compared: null
}
