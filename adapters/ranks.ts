/**
 * Ranks that are decided when an adapter is initialized, from what training data shows of all sites together: GoRA's, and EVA's with ρ > 1.
 *
 * Before that the plan's ranks are a budget (`InitRanks`), of which `validate` and the memory estimate say the most that it can come to
 * (`fullest`). `inject` lets the init decide, once; from then on the sites' options have the ranks (`Selected`), and everything that
 * asks for a site's rank gets that one. Code that restores trained numbers gives the ranks that were recorded (`withRanks`): a
 * resumed run does not look at data again.
 *
 * A site whose rank comes to 0 is not adapted: it is no site of the adapter from then on, as in PEFT's EVA.
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

/** How ranks of these sites will be decided; undefined: they are the plan's, or decided. */
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

/** The selection with the ranks that training data asks for, where the init decides them; else as it is. */
export const decided = <Options>(
  model: Network,
  method: AdapterMethod<Options>,
  selected: Selected<Options>,
  seed: number,
  calibrate: Calibrate
): Effect.Effect<Selected<Options>, InitError | DeviceReadError> => {
  const decides = initRanksOf(method, selected)
  if (decides === undefined) return Effect.succeed(selected)
  let asked = 0
  const count = { of: selected.sites.length, unit: "layers" }
  const sourceOf = (site: LinearSite): InitSource => ({
    ...baseLayer(model, site),
    // the same at every site: layers with one input show the same
    random: randomStream(seed, "ranks"),
    calibrate: (where, calibration) =>
      Effect.andThen(
        working("deciding ranks", { ...count, done: asked++ }),
        calibrate(where, { ...calibration, again: true })
      )
  })
  return Effect.map(decides.decide(selected.sites, sourceOf), (ranks) =>
    ranked(decides, selected, Object.fromEntries(selected.sites.map(({ site }, i) => [site.name, ranks[i]!])))
  )
}

/** The selection with the ranks of a record; undefined: nothing was recorded, and they are the plan's. */
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
      const found = ranks[name]
      if (found !== undefined && Number.isInteger(found) && found >= 0 && found <= most) return []
      return [problem(name, `found ${found ?? "nothing"}; expected the rank that was decided, from 0 to ${most}`)]
    }),
    ...Object.keys(ranks).flatMap((name) => (sites.has(name) ? [] : [problem(name, "is no layer that is adapted")]))
  ]
  if (decides === undefined || problems.length > 0) return Result.fail(new InjectionError({ problems }))
  return Result.succeed(ranked(decides, selected, ranks))
}

/**
 * The sites with the ranks that come to the most trained numbers: an upper bound where an init will decide them, else as they are.
 *
 * Every site has its least, and what the budget pays goes to the sites with the most numbers for it, up to the most of each.
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
