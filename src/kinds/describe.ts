/** Describes a resolved plan as text and as JSON, for `validate`. */

import { initRanksOf, methodOf } from "../../adapters/index.ts"
import { factsOfOptimizer, isDecided } from "../../schemas/index.ts"
import { byteSize, counted, duration, number, percent, wholeNumber } from "../boundary/index.ts"
import type { RankBudget } from "../optimizers/index.ts"
import { fromOf, type ProcessesEstimate, prefixText, type ResolvedPlan } from "../plan/index.ts"
import type { RunKind } from "./contract/index.ts"

/** A plan checked without reading its rows. */
export interface JudgedPlan
  extends Pick<ResolvedPlan, "plan" | "name" | "model" | "selected" | "trainable" | "memory"> {
  /** number of steps; undefined if it depends on the rows */
  readonly steps?: number | undefined
}

/** A fact about a plan, as text. */
export interface PlanFact {
  /** name of the fact, one or two words: "memory" */
  readonly name: string
  readonly value: string
}

const line = ({ name, value }: PlanFact): string => `${name.padEnd(10)} ${value}`

/** Returns all facts about a resolved plan as JSON. */
export const planJson = ({ words }: RunKind, resolved: ResolvedPlan): Readonly<Record<string, unknown>> => {
  const { data, prefix, warnings } = resolved
  const { model, ...more } = words.json(resolved)
  return {
    model,
    ...adapterJson(resolved),
    ...(prefix === null ? {} : { prefix }),
    data: data.describe(),
    ...more,
    warnings
  }
}

/** Returns all facts about a judged plan as JSON. */
export const judgedJson = ({ words, baseOf }: RunKind, judged: JudgedPlan): Readonly<Record<string, unknown>> => {
  const { plan, model } = judged
  return {
    model: { source: baseOf(plan, model), name: words.modelName(model), words: words.model(model) },
    ...adapterJson(judged)
  }
}

const adapterJson = (judged: JudgedPlan) => {
  const { plan, selected, trainable, steps, memory } = judged
  const from = fromOf(plan)
  const ranks = ranksOf(judged)
  const boundsOf = initBounds(judged)
  return {
    ...(from === undefined ? {} : { from }),
    sites: selected.sites.map((selectedSite) => ({
      name: selectedSite.site.name,
      shape: [selectedSite.site.out, selectedSite.site.in],
      ...selectedSite.options,
      ...(boundsOf === undefined ? {} : { rankBounds: boundsOf(selectedSite) })
    })),
    savedParameters: selected.parameters,
    trainable,
    ...(ranks === undefined ? {} : { ranks }),
    ...(steps === undefined ? {} : { steps }),
    memory
  }
}

/** Formats rows of cells as a table. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ")}`.trimEnd())
    .join("\n")
}

/** Maximum number of adapted layers with a row each; with more, similar layers of a model's blocks share a row. */
const MOST_ROWS = 60

type SelectedSites = ResolvedPlan["selected"]["sites"]

/** Groups sites by their names; similar layers share a name. */
const groupsOf = (sites: SelectedSites): ReadonlyArray<readonly [name: string, sites: SelectedSites]> => {
  if (sites.length <= MOST_ROWS) return sites.map((selectedSite) => [selectedSite.site.name, [selectedSite]])
  const groups = Map.groupBy(sites, ({ site, options }) =>
    JSON.stringify([site.name.replace(/(?<=\.)\d+(?=\.)/g, "*"), site.out, site.in, options])
  )
  return [...groups.values()].map((all) => {
    const { name } = all[0]!.site
    return [all.length === 1 ? name : `${name.replace(/(?<=\.)\d+(?=\.)/g, "*")} (${all.length})`, all]
  })
}

/** Returns the range of ranks that an initialization can choose for a site; undefined if the plan sets the ranks. */
const initBounds = ({ selected, plan }: JudgedPlan) => initRanksOf(methodOf(plan.adapter), selected)?.bounds

const siteRows = (judged: JudgedPlan): ReadonlyArray<ReadonlyArray<string>> => {
  const { selected, plan } = judged
  const method = methodOf(plan.adapter)
  const boundsOf = initBounds(judged)
  const names = Object.keys(method.columns(selected.sites[0]!.options))
  const rows = groupsOf(selected.sites).map(([name, all]) => {
    const { site, options } = all[0]!
    const { factors, dense } = method.size(site, options)
    const bounds = boundsOf?.(all[0]!)
    const optionCells = Object.entries(method.columns(options)).map(([column, value]) =>
      column === "rank" && bounds !== undefined ? `${value} (${bounds.least} to ${bounds.most})` : String(value)
    )
    return [name, `${site.out}×${site.in}`, ...optionCells, wholeNumber(all.length * (factors + dense))]
  })
  return [["site", "W", ...names, "trainable"], ...rows]
}

/** Returns the rank budget of a method that reduces ranks during the run; undefined for other methods. */
const ranksOf = ({ plan: { adapter }, selected, steps }: JudgedPlan): RankBudget | undefined =>
  steps === undefined
    ? undefined
    : methodOf(adapter).allocation?.ranks(
        selected.sites.map(({ options }) => options),
        steps
      )

const decidedFact = ({ selected, plan }: JudgedPlan): ReadonlyArray<PlanFact> => {
  const method = methodOf(plan.adapter)
  const decides = initRanksOf(method, selected)
  if (decides === undefined) return []
  const { init, batches } = method.calibration!(selected.sites[0]!.options)!
  const budget = selected.sites.reduce((sum, selectedSite) => sum + decides.bounds(selectedSite).planned, 0)
  return [
    {
      name: "ranks",
      value: `${wholeNumber(budget)} in the plan; init "${init}" redistributes them after ${batches} training batches; trainable and memory are upper bounds`
    }
  ]
}

const ranksFact = ({ initial, target, end }: RankBudget, sites: number): PlanFact => {
  const mean = (ranks: number) => `${wholeNumber(ranks)} (${ranks / sites} per layer)`
  return {
    name: "ranks",
    value: `${mean(initial)} at the start, ${mean(target)} after step ${wholeNumber(end)}, distributed over all layers`
  }
}

/** Returns the facts about trainable parameters. */
const trainedFacts = (judged: JudgedPlan): ReadonlyArray<PlanFact> => {
  const { selected, trainable } = judged
  const ranks = ranksOf(judged)
  const share = trainable.total / (trainable.frozen + trainable.total)
  const most = initBounds(judged) === undefined ? "" : "at most "
  return [
    {
      name: "trainable",
      value: `${most}${wholeNumber(trainable.total)} of ${wholeNumber(trainable.frozen + trainable.total)} (${percent(share)}): ${wholeNumber(trainable.factors)} in factors, ${wholeNumber(trainable.dense)} trained in full`
    },
    ...(ranks === undefined ? [] : [ranksFact(ranks, selected.sites.length)]),
    ...decidedFact(judged)
  ]
}

const titleOf = ({ plan }: JudgedPlan): string =>
  `${plan.adapter.method} with ${factsOfOptimizer(plan.optimizer).title(plan.optimizer)}`

const adapterLines = ({ words }: RunKind, judged: JudgedPlan): ReadonlyArray<string> => {
  const { plan, name, model, selected } = judged
  const from = fromOf(plan)
  return [
    `${name}: ${titleOf(judged)} on ${words.model(model)}`,
    ...(from === undefined ? [] : [`starts from the adapter of ${from}`]),
    "",
    ...(selected.sites.length === 0 ? ["no adapted layers: trains only the head"] : [table(siteRows(judged))]),
    "",
    ...trainedFacts(judged).map(line)
  ]
}

const costFacts = ({ plan: { training, optimizer }, steps, memory }: JudgedPlan): ReadonlyArray<PlanFact> => [
  steps === undefined
    ? {
        name: "epochs",
        value: `${training.epochs}, in steps of ${counted(training.batchSize * training.accumulate, "row")}`
      }
    : { name: "steps", value: `${wholeNumber(steps)} of ${counted(training.batchSize * training.accumulate, "row")}` },
  ...(isDecided(optimizer)
    ? []
    : [
        {
          name: "rate",
          value:
            "determined on the rows of the first step, with one gradient and at most 6 forward passes (the cost of 3 to 5 steps)"
        }
      ]),
  {
    name: "memory",
    value: `about ${byteSize(memory.total)}: weights ${byteSize(memory.weights)}, trained ${byteSize(memory.trainable)}, activations up to ${byteSize(memory.activations)}, one checkpoint ${byteSize(memory.checkpoint)}${memory.kept === 0 ? "" : `, kept rows ${byteSize(memory.kept)}`}`
  }
]

/** Returns the facts about a resolved plan except its sites, in the order of `describePlan`. */
const runFacts = ({ words }: RunKind, resolved: ResolvedPlan): ReadonlyArray<PlanFact> => {
  const { prefix } = resolved
  const { weights, lengths, images } = words.lines(resolved)
  const fact = (name: string, value: string | undefined) => (value === undefined ? [] : [{ name, value }])
  return [
    ...fact("weights", weights),
    ...costFacts(resolved),
    ...fact("prefix", prefix === null ? undefined : `${prefixText(prefix)} (on wasm and native)`),
    ...fact("lengths", lengths),
    ...fact("images", images)
  ]
}

/** Returns the facts that `validate` prints, without the table of sites. */
export const planFacts = (kind: RunKind, resolved: ResolvedPlan): ReadonlyArray<PlanFact> => {
  const from = fromOf(resolved.plan)
  return [
    { name: "method", value: titleOf(resolved) },
    { name: "model", value: kind.words.model(resolved.model) },
    ...(from === undefined ? [] : [{ name: "starts from", value: `the adapter of ${from}` }]),
    ...trainedFacts(resolved),
    ...runFacts(kind, resolved),
    ...resolved.data.describe().map((split) => ({
      name: split.split,
      value: [counted(split.rows, "row"), kind.words.rows(split)].filter((text) => text !== "").join(": ")
    }))
  ]
}

/** Returns the lines that describe a judged plan. */
export const describeJudged = (kind: RunKind, judged: JudgedPlan): string =>
  [...adapterLines(kind, judged), ...costFacts(judged).map(line), "rows       not read"].join("\n")

/** Returns the lines that `validate` prints about a resolved plan. */
export const describePlan = (kind: RunKind, resolved: ResolvedPlan): string => {
  const { data, warnings } = resolved
  return [
    ...adapterLines(kind, resolved),
    ...runFacts(kind, resolved).map(line),
    "",
    table(data.describe().map((split) => [split.split, counted(split.rows, "row"), kind.words.rows(split)])),
    ...(warnings.length === 0 ? [] : ["", ...warnings.map((warning) => `warning: ${warning}`)])
  ].join("\n")
}

/** Formats counts: "each has 2", "1 has 1, 2 have 2". */
const countsText = (counts: ReadonlyArray<number>): string => {
  const processes = Map.groupBy(counts, (count) => count)
  if (processes.size === 1) return `each has ${wholeNumber(counts[0]!)}`
  return [...processes]
    .map(([count, { length }]) => `${length} ${length === 1 ? "has" : "have"} ${wholeNumber(count)}`)
    .join(", ")
}

/** Returns lines on the work, memory and transfers of each process of a run. */
export const describeProcesses = ({
  count,
  microBatches,
  uneven,
  state,
  stateAlone,
  receives,
  connections
}: ProcessesEstimate): string => {
  const most = Math.max(...state)
  const stateText =
    most === stateAlone
      ? `${byteSize(most)} on each`
      : `${byteSize(most)} at most per process (${byteSize(stateAlone)} in total): each holds the moments of its layers`
  const { gradients, moves, whitenings } = receives
  const parts = [
    `${byteSize(gradients)} of gradients`,
    ...(moves === 0 ? [] : [`${byteSize(moves)} of moves`]),
    ...(whitenings === 0 ? [] : [`on wasm and native ${byteSize(whitenings)} of whitenings`])
  ]
  const all = microBatches.reduce((sum, count) => sum + count, 0)
  const [least, greatest] = [Math.min(...microBatches), Math.max(...microBatches)]
  const waits =
    uneven === 0 ? "" : `; processes with ${least} wait ${percent(uneven)} of the time of those with ${greatest}`
  return [
    `processes  ${count}, for the ${wholeNumber(all)} micro-batches of a step: ${countsText(microBatches)}${waits}`,
    `state      optimizer: ${stateText}`,
    `transfers  to each process per step: ${parts.join(", ")}`,
    ...connections.map(({ name, network, step }) => {
      const share =
        step === undefined
          ? ""
          : `, ${percent(network / step.seconds)} of its time; ${number(step.speedUp)}× as fast as one process`
      return `network    ${name}: about ${duration(network)} of waiting per step${share}`
    })
  ].join("\n")
}
