/**
 * LoRA-GA (Wang, Yu & Li 2024, arXiv 2407.05000): initializes A and B with the leading singular directions of the loss's gradient g at W.
 *
 *   g = U diag(σ) Vᵀ      A = c·(columns ia of V)ᵀ    B = c·(columns ib of U)    c = m^¼/√γ, m = out
 *
 *   ArB2r   ia = 1 … r          ib = r+1 … 2r     the paper's
 *   A2rBr   ia = r+1 … 2r       ib = 1 … r
 *   ArBr    ia = 2, 4 … 2r      ib = 1, 3 … 2r−1
 *
 * One small step of SGD moves W by −η s²(BBᵀg + gAᵀA). With disjoint ia and ib that is −η s²c² times the best approximation of g of rank
 * 2r: no other init of A and B makes its first move nearer to that of full fine-tuning. B·A itself is no direction of g; it is subtracted
 * (`Trainable.frozen`), so that the model starts as its base.
 *
 * g is the gradient on the first batches with the head at initialization, so a new head affects it. The decomposition is randomized as in the
 * authors' code and PEFT (`leading-directions.ts`): 4r directions, four power iterations.
 *
 * Differs from PEFT 0.21, which sets A to V and multiplies B by c·σ. W is unchanged: the subtracted factors are stored separately.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { LoraInit } from "../../schemas/index.ts"
import { initFacts } from "../../schemas/index.ts"
import type { Initializer } from "./initializer.ts"

type LoraGa = Extract<LoraInit, { readonly kind: "lora-ga" }>

/** Columns ia of V and ib of U, of the first 2r. */
const directions = {
  ArB2r: (i, rank) => ({ a: i, b: rank + i }),
  A2rBr: (i, rank) => ({ a: rank + i, b: i }),
  ArBr: (i) => ({ a: 2 * i + 1, b: 2 * i })
} satisfies { readonly [Name in LoraGa["direction"]]: (i: number, rank: number) => { a: number; b: number } }

/** LoRA-GA. */
export const loraGa: Initializer<LoraGa> = {
  ...initFacts["lora-ga"],
  problem: ({ name, out, in: inputs }, rank) =>
    2 * rank <= Math.min(out, inputs)
      ? undefined
      : `rank ${rank} is larger than init "lora-ga" allows at ${name}: it uses 2·rank singular directions of W [${out}, ${inputs}]'s gradient, so at most ${Math.floor(Math.min(out, inputs) / 2)}`,
  init: (config, place, source) =>
    Effect.gen(function* () {
      // loaded where it is asked for, with what decomposes
      const { gradientDirections } = yield* Effect.promise(() => import("./gradient.ts"))
      const { gamma, direction } = config
      const { site, rank } = place
      const calibration = { init: "lora-ga", ...initFacts["lora-ga"].calibration(config) }
      const { U, V } = yield* gradientDirections(place, calibration, 2 * rank, source)
      const c = site.out ** 0.25 / Math.sqrt(gamma)
      const chosen = Array.from({ length: rank }, (_, i) => directions[direction](i, rank))
      const A = Float32Array.from({ length: rank * site.in }, (_, k) => {
        const [i, column] = [Math.floor(k / site.in), k % site.in]
        return c * V[column * 2 * rank + chosen[i]!.a]!
      })
      const B = Float32Array.from({ length: site.out * rank }, (_, k) => {
        const [row, i] = [Math.floor(k / rank), k % rank]
        return c * U[row * 2 * rank + chosen[i]!.b]!
      })
      return { A: tf.tensor2d(A, [rank, site.in]), B: tf.tensor2d(B, [site.out, rank]) }
    }),
  compared: { learningRates: [5e-5, 1e-4, 2e-4, 4e-4] }
}
