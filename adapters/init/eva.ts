/**
 * EVA (Paischer et al. 2024, arXiv 2410.07170): A from the directions in which a site's inputs vary most, B = 0.
 *
 *   C = V diag(λ) Vᵀ, the covariance of the site's inputs x over the tokens of the first batches
 *   A = (columns 1 … r of V)ᵀ      rows of length 1, as PEFT has them (`whiten` false); B = 0
 *
 * xAᵀ then holds as much of the variance of x as r numbers can. BA = 0, so the site starts as its base and nothing is subtracted.
 *
 * Left out: ranks are not moved from site to site by explained variance (PEFT's rho = 1; `overrides` set them), and the number of
 * batches is the plan's rather than as many as it takes until the directions no longer change (tau). As in PEFT the variance is taken about
 * the mean (its incremental PCA), and padding is no token; all tokens of the batches count alike.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { LoraInit } from "../../schemas/index.ts"
import { initFacts } from "../../schemas/index.ts"
import { InitError } from "./calibration.ts"
import type { Initializer } from "./initializer.ts"
import type { Directionless } from "./leading-directions.ts"

export const eva: Initializer<Extract<LoraInit, { readonly kind: "eva" }>> = {
  ...initFacts.eva,
  init: (config, { site, rank }, { calibrate, random }) =>
    Effect.gen(function* () {
      const { leadingDirections } = yield* Effect.promise(() => import("./leading-directions.ts"))
      const covariance = yield* calibrate(site, { init: "eva", ...initFacts.eva.calibration(config) })
      const found = yield* leadingDirections(covariance, rank, random, `the covariance of the inputs of ${site.name}`)
      if (typeof found === "string") {
        return yield* new InitError({ site: site.name, init: "eva", reason: reasonOf(found, config.batches) })
      }
      const A = Float32Array.from(
        { length: rank * site.in },
        (_, k) => found.V[(k % site.in) * rank + Math.floor(k / site.in)]!
      )
      return { A: tf.tensor2d(A, [rank, site.in]), B: tf.zeros<tf.Rank.R2>([site.out, rank]) }
    }),
  compared: null
}

const reasonOf = (nothing: Directionless, batches: number): string => {
  const over = `its inputs over the first ${batches} training batches`
  return nothing === "zero"
    ? `${over} are all the same; exclude the site, or take init "kaiming"`
    : `${over} are not finite; see whether the base model computes finite numbers, or take init "kaiming"`
}
