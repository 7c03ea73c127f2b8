/**
 * A resolved plan in words and numbers: what `validate` prints, and the same as JSON.
 */
import { methodOf } from "../../adapters/index.ts"
import { factsOfOptimizer } from "../../schemas/index.ts"
import type { RankBudget } from "../optimizers/index.ts"
import { fromOf, prefixText, type ResolvedPlan } from "../plan/index.ts"
import { percent } from "../training/index.ts"
import type { RunKind } from "./kind.ts"

/** Everything that is known of a resolved plan, for machines. */
export const planJson = ({ words }: RunKind, resolved: ResolvedPlan): Readonly<Record<string, unknown>> => {
  const { data, selected, steps, trainable, memory, prefix, warnings } = resolved
  const ranks = ranksOf(resolved)
  const { model, ...more } = words.json(resolved)
  return {
    model,
    ...(fromOf(resolved.plan) === undefined ? {} : { from: fromOf(resolved.plan) }),
    sites: selected.sites.map(({ site, options }) => ({ name: site.name, shape: [site.out, site.in], ...options })),
    savedParameters: selected.parameters,
    trainable,
    ...(ranks === undefined ? {} : { ranks }),
    steps,
    memory,
    ...(prefix === null ? {} : { prefix }),
    data: data.describe(),
    ...more,
    warnings
  }
}

const number = (value: number): string => value.toLocaleString("en")
const megabytes = (bytes: number): string => `${number(Math.round(bytes / 1e6))} MB`

/** Rows of equal cells under each other. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ")}`.trimEnd())
    .join("\n")
}

/** With more adapted layers than this, those that are alike in a model's blocks share a row. */
const MOST_ROWS = 60

type SelectedSites = ResolvedPlan["selected"]["sites"]

/** Sites by their names; one name may be that of several layers that are alike. */
const groupsOf = (sites: SelectedSites): ReadonlyArray<readonly [name: string, sites: SelectedSites]> => {
  if (sites.length <= MOST_ROWS) return sites.map((one) => [one.site.name, [one]])
  const groups = Map.groupBy(sites, ({ site, options }) =>
    JSON.stringify([site.name.replace(/(?<=\.)\d+(?=\.)/g, "*"), site.out, site.in, options])
  )
  return [...groups.values()].map((all) => {
    const { name } = all[0]!.site
    return [all.length === 1 ? name : `${name.replace(/(?<=\.)\d+(?=\.)/g, "*")} (${all.length})`, all]
  })
}

const siteRows = ({ selected, plan }: ResolvedPlan): ReadonlyArray<ReadonlyArray<string>> => {
  const method = methodOf(plan.adapter)
  const names = Object.keys(method.columns(selected.sites[0]!.options))
  const rows = groupsOf(selected.sites).map(([name, all]) => {
    const { site, options } = all[0]!
    const { factors, dense } = method.size(site, options)
    const own = Object.values(method.columns(options)).map(String)
    return [name, `${site.out}×${site.in}`, ...own, number(all.length * (factors + dense))]
  })
  return [["site", "W", ...names, "trainable"], ...rows]
}

/** Of a method that gives up ranks during the run. */
const ranksOf = ({ plan: { adapter }, selected, steps }: ResolvedPlan): RankBudget | undefined =>
  methodOf(adapter).allocation?.ranks(
    selected.sites.map(({ options }) => options),
    steps
  )

const ranksLine = ({ initial, target, end }: RankBudget, sites: number): string => {
  const mean = (ranks: number) => `${number(ranks)} (${ranks / sites} a site)`
  return `ranks      ${mean(initial)} at the start, ${mean(target)} after step ${number(end)}, shared by all sites`
}

/** Several lines, for a person. */
export const describePlan = ({ words }: RunKind, resolved: ResolvedPlan): string => {
  const { plan, name, data, selected, steps, trainable, memory, prefix, warnings } = resolved
  const { training } = plan
  const ranks = ranksOf(resolved)
  const share = trainable.total / (trainable.frozen + trainable.total)
  const { weights, lengths } = words.lines(resolved)
  const from = fromOf(plan)
  return [
    `${name}: ${plan.adapter.method} with ${factsOfOptimizer(plan.optimizer).title(plan.optimizer)} on ${words.model(resolved.model)}`,
    ...(from === undefined ? [] : [`begins with the adapter of ${from}`]),
    "",
    ...(selected.sites.length === 0 ? ["no layer is adapted: the head alone is trained"] : [table(siteRows(resolved))]),
    "",
    `trainable  ${number(trainable.total)} of ${number(trainable.frozen + trainable.total)} (${percent(share)}): ${number(trainable.factors)} in factors, ${number(trainable.dense)} trained themselves`,
    ...(ranks === undefined ? [] : [ranksLine(ranks, selected.sites.length)]),
    ...(weights === undefined ? [] : [`weights    ${weights}`]),
    `steps      ${number(steps)} of ${training.batchSize * training.accumulate} rows`,
    `memory     about ${megabytes(memory.total)}: weights ${megabytes(memory.weights)}, trained ${megabytes(memory.trainable)}, activations ${megabytes(memory.activations)} at most, a checkpoint ${megabytes(memory.checkpoint)}${memory.kept === 0 ? "" : `, kept rows ${megabytes(memory.kept)}`}`,
    ...(prefix === null ? [] : [`prefix     ${prefixText(prefix)} (on wasm and native)`]),
    ...(lengths === undefined ? [] : [`lengths    ${lengths}`]),
    "",
    table(data.describe().map((split) => [split.split, `${number(split.rows)} rows`, words.rows(split)])),
    ...(warnings.length === 0 ? [] : ["", ...warnings.map((warning) => `warning: ${warning}`)])
  ].join("\n")
}
