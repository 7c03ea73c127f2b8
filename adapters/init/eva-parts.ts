/** What EVA (`eva.ts`) works out of inputs: the factors of a site, and which ranks go where. Loaded where a plan has it. */
import type { Scalar, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { initFacts, type LoraInit } from "../../schemas/index.ts"
import type { TruncatedSvd } from "../../src/linalg/index.ts"
import { type DeviceReadError, type Factors, type LinearSite, readTensor, tidy } from "../../src/tensors/index.ts"
import type { InitSource, SiteOptions } from "../adapter.ts"
import { InitError } from "./calibration.ts"
import type { Place, RankedOptions } from "./initializer.ts"
import { type Directionless, leadingDirections } from "./leading-directions.ts"

type Eva = Extract<LoraInit, { readonly kind: "eva" }>

/** The leading directions of a site's inputs and the variance along each. `see`: looks at the covariance first. */
const directionsOf = (
  config: Eva,
  { site, rank }: Pick<Place, "site" | "rank">,
  { calibrate, random }: Pick<InitSource, "calibrate" | "random">,
  see: (covariance: Tensor2D) => void = () => {}
): Effect.Effect<TruncatedSvd | "zero", InitError | DeviceReadError> =>
  Effect.gen(function* () {
    const covariance = yield* calibrate(site, { init: "eva", ...initFacts.eva.calibration(config) })
    see(covariance)
    const directions = yield* leadingDirections(
      covariance,
      rank,
      random,
      `the covariance of the inputs of ${site.name}`
    )
    return directions === "not finite" ? yield* failed(site, directions, config) : directions
  })

const failed = (site: LinearSite, nothing: Directionless, { batches }: Eva): InitError =>
  new InitError({ site: site.name, init: "eva", reason: reasonOf(nothing, batches) })

const reasonOf = (nothing: Directionless, batches: number): string => {
  const over = `its inputs over the first ${batches} training batches`
  return nothing === "zero"
    ? `${over} are all equal; exclude the site, or use init "kaiming"`
    : `${over} are not finite; check that the base model computes finite numbers, or use init "kaiming"`
}

/** λᵢ/Σλ, the largest first; none where the inputs are all the same. `look`: at a covariance, shown before it is used up. */
const explained = <E>(
  { name, in: inputs }: LinearSite,
  look: (see: (covariance: Tensor2D) => void) => Effect.Effect<TruncatedSvd | "zero", E>
): Effect.Effect<ReadonlyArray<number>, E | DeviceReadError> =>
  Effect.suspend(() => {
    const traces: Array<Scalar> = []
    const trace = (C: Tensor2D) =>
      void traces.push(
        tidy(() => tf.sum<Scalar>(tf.stridedSlice(tf.reshape(C, [inputs * inputs]), [0], [inputs ** 2], [inputs + 1])))
      )
    return Effect.gen(function* () {
      const svd = yield* look(trace)
      if (svd === "zero") return []
      const [total] = yield* readTensor(traces[0]!, `the variance of the inputs of ${name}`)
      return Array.from(svd.S, (variance) => variance / total!)
    }).pipe(Effect.ensuring(Effect.sync(() => tf.dispose(traces))))
  })

/** How often each site is among the `budget` largest shares of all. */
const countedRanks = (shares: ReadonlyArray<ReadonlyArray<number>>, budget: number): ReadonlyArray<number> => {
  const all = shares.flatMap((layerShares, site) => layerShares.map((share) => ({ site, share })))
  const ranks = shares.map(() => 0)
  // sorting is stable: of equal shares those of the first site come first
  for (const { site } of all.sort((a, b) => b.share - a.share).slice(0, budget)) ranks[site]! += 1
  return ranks
}

/** Returns the ranks of all layers: the plan's total, at the largest fractions of variance. `most`: largest rank of a layer. */
export const movedRanks = (
  config: Eva,
  sites: ReadonlyArray<SiteOptions<RankedOptions>>,
  most: (one: SiteOptions<RankedOptions>) => number,
  sourceOf: (site: LinearSite) => InitSource
): Effect.Effect<ReadonlyArray<number>, InitError | DeviceReadError> =>
  Effect.gen(function* () {
    const shares = yield* Effect.forEach(sites, (one) =>
      explained(one.site, (see) => directionsOf(config, { ...one, rank: most(one) }, sourceOf(one.site), see))
    )
    if (shares.every(({ length }) => length === 0)) return yield* failed(sites[0]!.site, "zero", config)
    return countedRanks(
      shares,
      sites.reduce((sum, { options }) => sum + options.rank, 0)
    )
  })

/** Initializes A with the leading directions, and B with 0. */
export const directed = (
  config: Eva,
  place: Place,
  source: InitSource
): Effect.Effect<Factors, InitError | DeviceReadError> =>
  Effect.gen(function* () {
    const { site, rank } = place
    const directions = yield* directionsOf(config, place, source)
    if (directions === "zero") return yield* failed(site, directions, config)
    const A = Float32Array.from(
      { length: rank * site.in },
      (_, k) => directions.V[(k % site.in) * rank + Math.floor(k / site.in)]!
    )
    return { A: tf.tensor2d(A, [rank, site.in]), B: tf.zeros<tf.Rank.R2>([site.out, rank]) }
  })
