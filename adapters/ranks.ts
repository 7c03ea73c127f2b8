/**
 * Ranks decided at initialization from training data of all layers together: GoRA, and EVA with ρ > 1.
 *
 * Until then the plan's ranks are a budget (`InitRanks`), of which `validate` and the memory estimate use the upper bound
 * (`fullest`). `inject` lets the init decide once; from then on the layers' options hold the ranks (`Selected`), and all code
 * that reads a layer's rank gets those. Code that restores trained parameters passes the recorded ranks (`withRanks`): a
 * resumed run does not read data again.
 *
 * A layer whose rank is 0 is not adapted: it is not part of the adapter from then on, as in PEFT's EVA.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { baseLayer, type Network } from "../src/models/index.ts"
import { randomStream } from "../src/numbers/index.ts"
import { working } from "../src/progress/index.ts"
import type { DeviceReadError, LinearSite } from "../src/tensors/index.ts"
import type { AdapterMethod, InitRanks, InitSource, SiteOptions } from "./adapter.ts"
import type { Calibrate, InitError } from "./init/calibration.ts"
import { InjectionError, type Selected, type SiteRanks } from "./select.ts"

type Choice<Options> = Pick<Selected<Options>, "sites" | "ranks">

/** Returns how ranks of these layers will be decided; undefined: the plan sets them, or they are already decided. */
export const initRanksOf = <Options>(
  method: AdapterMethod<Options>,
  { sites: [first], ranks }: Choice<Options>
): InitRanks<Options> | undefined =>
  first === undefined || ranks !== undefined ? undefined : method.initRanks?.(first.options)

/** The selection with ranks that were decided. */
const ranked = <Options>(
  { withRank }: InitRanks<Options>,
  selected: Selected<Options>,
  ranks: SiteRanks
): Selected<Options> => ({
  ...selected,
  ranks,
  sites: selected.sites.flatMap(({ site, options }) => {
    const rank = ranks[site.name]!
    return rank === 0 ? [] : [{ site, options: withRank(options, rank) }]
  })
})

/** Returns the selection with the ranks that the init decides from training data, or unchanged if it does not decide ranks. */
export const decided = <Options>(
  model: Network,
  method: AdapterMethod<Options>,
  selected: Selected<Options>,
  seed: number,
  calibrate: Calibrate
): Effect.Effect<Selected<Options>, InitError | DeviceReadError> => {
  const decides = initRanksOf(method, selected)
  if (decides === undefined) return Effect.succeed(selected)
  let requests = 0
  const count = { of: selected.sites.length, unit: "layers" }
  const sourceOf = (site: LinearSite): InitSource => ({
    ...baseLayer(model, site),
    // the same at every site: layers with one input show the same
    random: randomStream(seed, "ranks"),
    calibrate: (where, calibration) =>
      Effect.andThen(
        working("deciding ranks", { ...count, done: requests++ }),
        calibrate(where, { ...calibration, again: true })
      )
  })
  return Effect.map(decides.decide(selected.sites, sourceOf), (ranks) =>
    ranked(decides, selected, Object.fromEntries(selected.sites.map(({ site }, i) => [site.name, ranks[i]!])))
  )
}

/** Returns the selection with recorded ranks; undefined: none were recorded, and the plan's apply. */
export const withRanks = <Options>(
  method: AdapterMethod<Options>,
  selected: Selected<Options>,
  ranks: SiteRanks | undefined
): Result.Result<Selected<Options>, InjectionError> => {
  if (ranks === undefined) return Result.succeed(selected)
  const decides = initRanksOf(method, selected)
  const sites = new Map(selected.sites.map((one) => [one.site.name, one]))
  const problem = (name: string, message: string) => ({ path: `ranks.${name}`, message })
  const problems = [
    ...[...sites].flatMap(([name, one]) => {
      const { most = 0 } = decides?.bounds(one) ?? {}
      const rank = ranks[name]
      if (rank !== undefined && Number.isInteger(rank) && rank >= 0 && rank <= most) return []
      return [problem(name, `found ${rank ?? "nothing"}; expected the chosen rank, from 0 to ${most}`)]
    }),
    ...Object.keys(ranks).flatMap((name) => (sites.has(name) ? [] : [problem(name, "is not an adapted layer")]))
  ]
  if (decides === undefined || problems.length > 0) return Result.fail(new InjectionError({ problems }))
  return Result.succeed(ranked(decides, selected, ranks))
}

/**
 * Returns the layers with the ranks that give the most trainable parameters: an upper bound if an init will decide them, else unchanged.
 *
 * Each layer gets its minimum, and the rest of the budget goes to the layers with the most parameters per cost, up to each maximum.
 */
export const fullest = <Options>(
  method: AdapterMethod<Options>,
  selected: Choice<Options>
): ReadonlyArray<SiteOptions<Options>> => {
  const decides = initRanksOf(method, selected)
  if (decides === undefined) return selected.sites
  const entries = selected.sites.map((one) => {
    const cost = decides.cost(one.site)
    const numbers = method.size(one.site, decides.withRank(one.options, 1)).factors
    return { one, cost, worth: numbers / cost, ...decides.bounds(one) }
  })
  let left = entries.reduce((sum, { planned, cost }) => sum + planned * cost + decides.rounding, 0)
  const ranks = new Map<string, number>()
  for (const { one, cost, least, most } of [...entries].sort((a, b) => b.worth - a.worth)) {
    const more = Math.min(most - least, Math.ceil(left / cost))
    left = Math.max(0, left - more * cost)
    ranks.set(one.site.name, least + more)
  }
  return selected.sites.flatMap(({ site, options }) => {
    const rank = ranks.get(site.name)!
    return rank === 0 ? [] : [{ site, options: decides.withRank(options, rank) }]
  })
}
