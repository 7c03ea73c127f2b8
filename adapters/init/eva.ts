/**
 * EVA (Paischer et al. 2024, arXiv 2410.07170): A from the directions in which a site's inputs vary most, B = 0.
 *
 *   C = V diag(λ) Vᵀ, the covariance of the site's inputs x over the tokens of the first batches
 *   A = (columns 1 … r of V)ᵀ      rows of length 1, as PEFT has them (`whiten` false); B = 0
 *
 * xAᵀ then holds as much of the variance of x as r numbers can. BA = 0, so the site starts as its base and nothing is subtracted.
 *
 * With ρ > 1 ranks move (PEFT's `rho`): of the shares λᵢ/Σλ of variance that each site's directions explain, up to round(ρ·r) of a site
 * (and its smaller side), the largest are kept, as many of all sites together as the plan has ranks. Sites that get none are not adapted,
 * as in PEFT. α moves with the rank so that s stays (PEFT's `adjust_scaling_factors`, on by default there). Of sites with one input,
 * whose shares are equal, the first gets the rank that is not there for all.
 *
 * Left out: the number of batches is the plan's rather than as many as it takes until the directions no longer change (tau). As in PEFT the
 * variance is taken about the mean (its incremental PCA), and padding is no token; all tokens of the batches count alike.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { LoraInit } from "../../schemas/index.ts"
import { initFacts } from "../../schemas/index.ts"
import type { TruncatedSvd } from "../../src/linalg/index.ts"
import type { DeviceReadError, LinearSite } from "../../src/tensors/index.ts"
import type { InitRanks, InitSource, SiteOptions } from "../adapter.ts"
import { InitError } from "./calibration.ts"
import type { Initializer, Place, RankedOptions } from "./initializer.ts"
import type { Directionless } from "./leading-directions.ts"
import { keepingScale } from "./scales.ts"

type Eva = Extract<LoraInit, { readonly kind: "eva" }>

/** The leading directions of a site's inputs and the variance along each. `see`: looks at the covariance first. */
const directionsOf = (
  config: Eva,
  { site, rank }: Pick<Place, "site" | "rank">,
  { calibrate, random }: Pick<InitSource, "calibrate" | "random">,
  see: (covariance: Tensor2D) => void = () => {}
): Effect.Effect<TruncatedSvd | "zero", InitError | DeviceReadError> =>
  Effect.gen(function* () {
    const { leadingDirections } = yield* Effect.promise(() => import("./leading-directions.ts"))
    const covariance = yield* calibrate(site, { init: "eva", ...initFacts.eva.calibration(config) })
    see(covariance)
    const found = yield* leadingDirections(covariance, rank, random, `the covariance of the inputs of ${site.name}`)
    return found === "not finite" ? yield* failed(site, found, config) : found
  })

const failed = (site: LinearSite, nothing: Directionless, { batches }: Eva): InitError =>
  new InitError({ site: site.name, init: "eva", reason: reasonOf(nothing, batches) })

/** ρ·r, of two integers as near the even one, as Python rounds. */
const largest = (rho: number, rank: number): number => {
  const most = rho * rank
  return most % 1 === 0.5 ? 2 * Math.round(most / 2) : Math.round(most)
}

const movedRanks = (config: Eva, rho: number): InitRanks<RankedOptions> => {
  const most = ({ site, options: { rank } }: SiteOptions<RankedOptions>) =>
    Math.min(largest(rho, rank), site.out, site.in)
  return {
    bounds: (one) => ({ least: 0, planned: one.options.rank, most: most(one) }),
    cost: () => 1,
    rounding: 0,
    decide: (sites, sourceOf) =>
      Effect.gen(function* () {
        const { countedRanks, explained } = yield* Effect.promise(() => import("./explained-variance.ts"))
        const shares = yield* Effect.forEach(sites, (one) =>
          explained(one.site, (see) => directionsOf(config, { ...one, rank: most(one) }, sourceOf(one.site), see))
        )
        if (shares.every(({ length }) => length === 0)) return yield* failed(sites[0]!.site, "zero", config)
        return countedRanks(
          shares,
          sites.reduce((sum, { options }) => sum + options.rank, 0)
        )
      }),
    withRank: keepingScale
  }
}

export const eva: Initializer<Eva> = {
  ...initFacts.eva,
  ranks: (config) => (config.rho === undefined || config.rho === 1 ? undefined : movedRanks(config, config.rho)),
  init: (config, place, source) =>
    Effect.gen(function* () {
      const { site, rank } = place
      const found = yield* directionsOf(config, place, source)
      if (found === "zero") return yield* failed(site, found, config)
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
