/**
 * A = QᵒᵀN_Aᵀ / 10, B = N_B Qᵉ / 10, with Qᵒ and Qᵉ the rows of odd and even number of a random orthogonal matrix [r, r], and N_A [in, r/2] and
 * N_B [out, r/2] standard normal: PEFT's `init_lora_weights="orthogonal"`.
 *
 * Since QᵉQᵒᵀ = 0, BA is 0 up to rounding and a layer starts as its base, although neither factor is 0: A and B both have a gradient
 * from the first step on. Qᵒ and Qᵉ divide the r directions, so r must be even.
 */
import * as Effect from "effect/Effect"
import { initFacts } from "../../schemas/index.ts"
import type { Initializer } from "./initializer.ts"

/** Orthogonal A and B. */
export const orthogonal: Initializer<unknown> = {
  ...initFacts.orthogonal,
  problem: (_site, rank) =>
    rank % 2 === 0
      ? undefined
      : `init "orthogonal" splits the rank between A and B, so it needs an even rank; found ${rank}, expected ${rank - 1 || 2} or ${rank + 1}`,
  init: (_config, { site, rank }, { random }) =>
    // loaded where it is asked for, with what decomposes
    Effect.map(
      Effect.promise(() => import("./orthogonal-factors.ts")),
      ({ orthogonalFactors }) => orthogonalFactors(site, rank, random)
    ),
  compared: null
}
