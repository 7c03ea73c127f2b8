/**
 * The configuration of a sum of adapters: factors with s = 1 at every site that one of them has, or what is trained
 * itself.
 */
import { matches } from "../../adapters/index.ts"
import type { AdapterConfig } from "../../schemas/index.ts"
import type { LayersNetwork } from "../models/layers-model/from-layers-model.ts"
import type { SummedSite, Term } from "./summed-site.ts"

export const combinedConfig = (
  network: LayersNetwork,
  terms: ReadonlyArray<Term>,
  sites: ReadonlyArray<Pick<SummedSite, "site" | "product">>
): AdapterConfig => {
  const modulesToSave = [...new Set(terms.flatMap(({ adapter }) => adapter.selected.parameters.map(moduleOf)))]
  if (sites.length > 0) return factorConfig(network, sites, modulesToSave)
  const trained = terms.flatMap(({ adapter }) => adapter.selected.sites.map(({ site }) => site.name))
  if (trained.length === 0) return { method: "none", modulesToSave }
  return { method: "full", ...targetsOf(network, [...new Set(trained)]), modulesToSave }
}

const moduleOf = (parameter: string): string => parameter.slice(0, parameter.lastIndexOf("."))

const factorConfig = (
  network: LayersNetwork,
  sites: ReadonlyArray<Pick<SummedSite, "site" | "product">>,
  modulesToSave: ReadonlyArray<string>
): AdapterConfig => {
  const rank = sites[0]!.product.rank
  const same = sites.every(({ product }) => product.rank === rank)
  // a name without a dot means layers inside nested models as well: those come later, and win
  const ordered = [...sites].sort((a, b) => Number(a.site.name.includes(".")) - Number(b.site.name.includes(".")))
  return {
    method: "lora",
    rank,
    alpha: rank,
    scaling: "standard",
    init: { kind: "kaiming" },
    ...targetsOf(
      network,
      sites.map(({ site }) => site.name)
    ),
    overrides: same
      ? []
      : ordered.map(({ site, product }) => ({ targets: [site.name], rank: product.rank, alpha: product.rank })),
    dropout: 0,
    modulesToSave
  }
}

/** Patterns that mean these sites and no others. */
const targetsOf = ({ sites, prefix }: LayersNetwork, targets: ReadonlyArray<string>) => ({
  targets,
  exclude: sites
    .map(({ name }) => name)
    .filter((name) => !targets.includes(name) && targets.some((target) => matches(target, name, prefix)))
})
