/**
 * LoRA-One (Zhang, Liu & Chen 2025, arXiv 2502.01235): training starts after one step of full fine-tuning, as far as a pair of rank r can
 * take it.
 *
 *   −g = U diag(σ) Vᵀ, the loss's gradient at W over the first batches
 *   A = diag(√(σᵢ/(σ₁γ))) (columns 1 … r of V)ᵀ      B = (columns 1 … r of U) diag(√(σᵢ/(σ₁γ)))
 *
 * so that s·BA = −(s/γ)·g_r/σ₁ with g_r the best approximation of g of rank r. Nothing is subtracted: the start is the base plus that step,
 * which is what the authors' code does ("W_adapted = W + s·BA"), and the exported adapter is plain LoRA. The division by σ₁ is the code's
 * too: it makes the size of the step s/γ at every site, whatever the scale of the loss.
 *
 * γ = 128 goes with the authors' scaling, rank-stabilized with α = 16. The decomposition is randomised (`leading-directions.ts`).
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { LoraInit } from "../../schemas/index.ts"
import { initFacts } from "../../schemas/index.ts"
import type { Initializer } from "./initializer.ts"

/** LoRA-One. */
export const loraOne: Initializer<Extract<LoraInit, { readonly kind: "lora-one" }>> = {
  ...initFacts["lora-one"],
  init: (config, place, source) =>
    Effect.gen(function* () {
      // loaded where it is asked for, with what decomposes
      const { gradientDirections } = yield* Effect.promise(() => import("./gradient.ts"))
      const { site, rank } = place
      const calibration = { init: "lora-one", ...initFacts["lora-one"].calibration(config) }
      const { U, S, V } = yield* gradientDirections(place, calibration, rank, source)
      const root = Float64Array.from(S, (value) => Math.sqrt(value / (S[0]! * config.gamma)))
      const A = Float32Array.from({ length: rank * site.in }, (_, k) => {
        const [i, column] = [Math.floor(k / site.in), k % site.in]
        return root[i]! * V[column * rank + i]!
      })
      // U and V are those of g: the sign of the step is B's
      const B = Float32Array.from({ length: site.out * rank }, (_, k) => -root[k % rank]! * U[k]!)
      return { A: tf.tensor2d(A, [rank, site.in]), B: tf.tensor2d(B, [site.out, rank]) }
    }),
  compared: { learningRates: [2e-4, 5e-4, 1e-3, 2e-3], scaling: "rank-stabilized" }
}
