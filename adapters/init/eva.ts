/**
 * EVA (Paischer et al. 2024, arXiv 2410.07170): initializes A with the directions of largest variance of a layer's inputs, B with 0.
 *
 *   C = V diag(λ) Vᵀ, the covariance of the layer's inputs x over the tokens of the first batches
 *   A = (columns 1 … r of V)ᵀ      rows of unit norm, as in PEFT (`whiten` false); B = 0
 *
 * xAᵀ then captures as much of the variance of x as r values can. BA = 0, so the layer starts as its base and nothing is subtracted.
 *
 * With ρ > 1 ranks move (PEFT's `rho`): of the shares λᵢ/Σλ of variance that each site's directions explain, up to round(ρ·r) of a site
 * (and its smaller side), the largest are kept, as many of all sites together as the plan has ranks. Sites that get none are not adapted,
 * as in PEFT. α is scaled with the rank to preserve s (PEFT's `adjust_scaling_factors`, on by default there). Ties between layers with
 * the same input are broken in layer order.
 *
 * Left out: the number of batches is the plan's rather than as many as it takes until the directions no longer change (tau). As in PEFT the
 * variance is taken about the mean (its incremental PCA), and padding is no token; all tokens of the batches count alike.
 */
import * as Effect from "effect/Effect"
import type { LoraInit } from "../../schemas/index.ts"
import { initFacts } from "../../schemas/index.ts"
import type { InitRanks, SiteOptions } from "../adapter.ts"
import type { Initializer, RankedOptions } from "./initializer.ts"
import { keepingScale } from "./scales.ts"

type Eva = Extract<LoraInit, { readonly kind: "eva" }>

// loaded where it is asked for, with what decomposes
const parts = Effect.promise(() => import("./eva-parts.ts"))

/** ρ·r, of two integers as near the even one, as Python rounds. */
const largest = (rho: number, rank: number): number => {
  const most = rho * rank
  return most % 1 === 0.5 ? 2 * Math.round(most / 2) : Math.round(most)
}

const ranksOf = (config: Eva, rho: number): InitRanks<RankedOptions> => {
  const most = ({ site, options: { rank } }: SiteOptions<RankedOptions>) =>
    Math.min(largest(rho, rank), site.out, site.in)
  return {
    bounds: (one) => ({ least: 0, planned: one.options.rank, most: most(one) }),
    cost: () => 1,
    rounding: 0,
    decide: (sites, sourceOf) => Effect.flatMap(parts, ({ movedRanks }) => movedRanks(config, sites, most, sourceOf)),
    withRank: keepingScale
  }
}

/** EVA. */
export const eva: Initializer<Eva> = {
  ...initFacts.eva,
  ranks: (config) => (config.rho === undefined || config.rho === 1 ? undefined : ranksOf(config, config.rho)),
  init: (config, place, source) => Effect.flatMap(parts, ({ directed }) => directed(config, place, source)),
  compared: null
}
