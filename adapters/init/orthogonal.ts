/**
 * A = QᵒᵀN_Aᵀ / 10, B = N_B Qᵉ / 10, with Qᵒ and Qᵉ the rows of odd and even number of a random orthogonal matrix [r, r], and N_A [in, r/2] and
 * N_B [out, r/2] standard normal: PEFT's `init_lora_weights="orthogonal"`.
 *
 * Since QᵉQᵒᵀ = 0, BA is 0 up to rounding and a site starts as its base, though neither factor is 0: A and B both have a gradient
 * from the first step on. Qᵒ and Qᵉ share the r directions out, hence an even rank.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { initFacts } from "../../schemas/index.ts"
import { householderQr, times, transposed } from "../../src/linalg/index.ts"
import { gaussian as normal, type Random } from "../../src/numbers/index.ts"
import type { Initializer } from "./initializer.ts"

/** An orthogonal matrix [n, n], uniformly distributed: Q of normal numbers, with a positive diagonal in R. */
const randomOrthogonal = (n: number, random: Random): Float64Array =>
  householderQr(
    Float64Array.from({ length: n * n }, () => normal(random)),
    [n, n]
  ).Q

/** N·(rows of this parity) / 10: [size, r]. */
const half = (Q: Float64Array, rank: number, parity: 0 | 1, size: number, random: Random): Float64Array => {
  const rows = Float64Array.from(
    { length: (rank / 2) * rank },
    (_, i) => Q[(2 * Math.floor(i / rank) + parity) * rank + (i % rank)]!
  )
  const numbers = Float64Array.from({ length: (size * rank) / 2 }, () => normal(random) / 10)
  return times(numbers, rows, size, rank, rank / 2)
}

export const orthogonal: Initializer<unknown> = {
  ...initFacts.orthogonal,
  problem: (_site, rank) =>
    rank % 2 === 0
      ? undefined
      : `init "orthogonal" shares the rank out between A and B, so it needs an even one; found ${rank}, expected ${rank - 1 || 2} or ${rank + 1}`,
  init: (_config, { site, rank }, { random }) =>
    Effect.sync(() => {
      const Q = randomOrthogonal(rank, random)
      const A = transposed(half(Q, rank, 0, site.in, random), site.in, rank)
      const B = half(Q, rank, 1, site.out, random)
      return {
        A: tf.tensor2d(Float32Array.from(A), [rank, site.in]),
        B: tf.tensor2d(Float32Array.from(B), [site.out, rank])
      }
    }),
  learningRates: null
}
