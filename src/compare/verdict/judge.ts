/** Computes the verdict from the results of a study. A pure function, also of incomplete results. */
import { scientific } from "../../boundary/index.ts"
import { type Measure, mostOf } from "../measure.ts"
import type { Stage, Study, TrialResult } from "../study.ts"
import { byMethodAndRank, type Sweep, scored, sweepsOf } from "./best-rates.ts"
import { besideOf, costOf } from "./cost.ts"
import { type BySeed, type Comparison, type Difference, differencesOf, fromOtherSide } from "./difference.ts"
import { type Estimate, estimate, mean } from "./statistics.ts"
import type { Entry, Table, Verdict } from "./verdict.ts"

/** Returns the name of a method in tables. */
type LabelOf = (method: string) => string

const LEVEL = 0.95
const LORA = "lora"
const FULL = "full"

export const judge = (
  study: Study,
  results: ReadonlyArray<TrialResult>,
  labelOf: LabelOf,
  measure: Measure
): Verdict => {
  const nameOf = (method: string, rank: number | null) => named(labelOf(method), rank, study)
  const sweeps = sweepsOf(results)
  const final = tableOf("final", study, results, nameOf, measure)
  const common = tableOf("common", study, results, nameOf, measure)
  const records = sweeps.map(({ method, rank, points, best }) => ({
    method,
    rank,
    name: nameOf(method, rank),
    points: [...points],
    best: best?.learningRate ?? null
  }))
  const warnings = [
    ...sweeps.flatMap((sweep) => sweepWarnings(sweep, nameOf(sweep.method, sweep.rank), study)),
    ...[final, common].flatMap((table) => (table === null ? [] : tableWarnings(table, study)))
  ]
  return { study, measure, final, common, sweeps: records, warnings, results: [...results] }
}

/** Returns the name of an entry: "LoRA", or "LoRA r 8" if a study has several ranks. */
export const named = (label: string, rank: number | null, { ranks }: Study): string =>
  rank === null || ranks.length < 2 ? label : `${label} r ${rank}`

type NameOf = (method: string, rank: number | null) => string

interface Group {
  readonly method: string
  readonly rank: number | null
  readonly name: string
  readonly runs: ReadonlyArray<TrialResult>
}

const groupsOf = (stage: Stage, results: ReadonlyArray<TrialResult>, nameOf: NameOf): ReadonlyArray<Group> =>
  byMethodAndRank(results.filter(({ trial }) => trial.stage === stage)).map((runs) => {
    const { method, rank } = runs[0]!.trial
    return { method, rank, name: nameOf(method, rank), runs }
  })

const tableOf = (
  stage: Table["stage"],
  study: Study,
  results: ReadonlyArray<TrialResult>,
  nameOf: NameOf,
  measure: Measure
): Table | null => {
  const groups = groupsOf(stage, results, nameOf)
  if (groups.length === 0) return null
  const split = groups.some(({ runs }) => runs.some(({ test }) => test !== null)) ? "test" : "validation"
  const { differences, comparisons } = compared(groups, split, measure)
  const rows = groups.flatMap(({ runs }) => runs.map((run) => run[split]?.rows ?? null)).find((n) => n !== null)
  const nothing = groups.flatMap(({ runs }) => runs.flatMap(({ baseline }) => baseline?.[split] ?? []))[0]
  const value = nothing?.scores[measure.name]
  const baseline = nothing === undefined || value === undefined ? null : { of: nothing.of, value }
  const scope: Scope = { study, split, measure, nothing: baseline?.value ?? null }
  const entries = groups.map((group, i) => ({ ...entryOf(group, scope), ...differences[i]! }))
  const unswept = stage === "final" ? withoutRate(results, groups, nameOf, scope) : []
  return {
    stage,
    split,
    rows: rows ?? null,
    baseline,
    beside: besideOf(
      groups.flatMap(({ runs }) => runs),
      results
    ),
    comparisons,
    entries: inOrder([...entries, ...unswept], study)
  }
}

/** Sorts entries by the study's order of methods, then by rank. */
const inOrder = (entries: ReadonlyArray<Entry>, { methods }: Study): Array<Entry> =>
  [...entries].sort((a, b) => methods.indexOf(a.method) - methods.indexOf(b.method) || (a.rank ?? 0) - (b.rank ?? 0))

/** Estimates values in 0 … `most`. Their mean is in that range too, so the interval is clipped to it. */
const estimates = (values: ReadonlyArray<number>, most: number) => {
  const finite: Estimate | null = estimate(values, LEVEL)
  if (finite === null) return null
  const { interval } = finite
  if (interval === null) return { ...finite }
  return { ...finite, interval: [Math.max(0, interval[0]), Math.min(most, interval[1])] as const }
}

/** Context of a table's entries. `nothing`: the baseline. */
interface Scope {
  readonly study: Study
  readonly split: Table["split"]
  readonly measure: Measure
  readonly nothing: number | null
}

const entryOf = ({ method, rank, name, runs }: Group, { study, split, measure, nothing }: Scope) => {
  const good = runs.filter((run) => scored(run, split))
  const of = (pick: (run: TrialResult) => number | null | undefined): ReadonlyArray<number> =>
    good.map(pick).filter((value) => typeof value === "number")
  const meanOf = (pick: (run: TrialResult) => number | null | undefined) => {
    const values = of(pick)
    return values.length === 0 ? null : mean(values)
  }
  const most = mostOf(measure)
  const bytes = of(({ peakBytes }) => peakBytes)
  const test = estimates(
    of((run) => run[split]?.[measure.name]),
    most
  )
  const stateBytes = meanOf((run) => run.stateBytes)
  const warned = good.flatMap(({ learnedNothing = [] }) => learnedNothing.slice(0, 1))
  const discrepancies = good.flatMap(({ discrepancy }) => (discrepancy === undefined ? [] : [discrepancy]))
  return {
    method,
    rank,
    name,
    learningRate: runs[0]?.trial.learningRate ?? null,
    done: good.length,
    failed: runs.length - good.length,
    missing: Math.max(0, study.freshSeeds.length - runs.length),
    learnedNothing: { runs: warned.length, says: warned[0] ?? null },
    validation: estimates(
      of(({ validation }) => validation?.[measure.name]),
      most
    ),
    test,
    testLoss: estimates(
      of((run) => run[split]?.loss),
      Number.POSITIVE_INFINITY
    ),
    scores: Object.fromEntries(
      measure.others.map((other) => [
        other.name,
        estimates(
          of((run) => run[split]?.[other.name]),
          mostOf(other)
        )
      ])
    ),
    seconds: meanOf(({ seconds }) => seconds),
    peakBytes: bytes.length === 0 ? null : Math.max(...bytes),
    trainable: meanOf(({ trainable }) => trainable),
    stateBytes,
    cost: costOf(good, measure, { value: test?.mean ?? null, nothing, stateBytes }),
    discrepancy:
      discrepancies.length === 0
        ? null
        : { method: mean(discrepancies.map(({ method }) => method)), best: mean(discrepancies.map(({ best }) => best)) }
  }
}

/** Returns entries for methods that were swept without finding a rate that works, and so have no fresh runs. */
const withoutRate = (
  results: ReadonlyArray<TrialResult>,
  groups: ReadonlyArray<Group>,
  nameOf: NameOf,
  scope: Scope
): ReadonlyArray<Entry> =>
  sweepsOf(results)
    .filter(({ best, method, rank }) => best === null && !groups.some((g) => g.method === method && g.rank === rank))
    .map(({ method, rank }) => ({
      ...entryOf({ method, rank, name: nameOf(method, rank), runs: [] }, { ...scope, split: "test" }),
      againstLora: null,
      againstFull: null
    }))

const scoresOf = ({ runs }: Group, split: Table["split"], { name }: Measure): BySeed =>
  new Map(runs.map((run) => [run.trial.seed, scored(run, split) ? (run[split]?.[name] ?? null) : null]))

/** Returns plain LoRA of the same rank; for a method without a rank, the rank that validation ranks first. */
const baselineOf = (group: Group, method: string, groups: ReadonlyArray<Group>): Group | undefined => {
  const candidates = groups.filter((candidate) => candidate.method === method)
  if (group.method === method) return undefined
  if (candidates[0]?.rank === null) return candidates[0]
  if (group.rank !== null) return candidates.find(({ rank }) => rank === group.rank)
  const loss = ({ runs }: Group) => {
    const losses = runs.flatMap((run) => (scored(run, "validation") ? [run.validation!.loss!] : []))
    return losses.length === 0 ? Number.POSITIVE_INFINITY : mean(losses)
  }
  return [...candidates].sort((a, b) => loss(a) - loss(b) || a.rank! - b.rank!)[0]
}

interface Against {
  readonly againstLora: Difference | null
  readonly againstFull: Difference | null
}

/** Returns every difference of the table, each tested once: LoRA minus full fine-tuning is the negative of the reverse. */
const compared = (groups: ReadonlyArray<Group>, split: Table["split"], measure: Measure) => {
  const comparisons: Array<Comparison> = []
  const places = new Map<string, number>()
  const compare = (group: Group, baseline: Group | undefined): (() => Difference) | null => {
    if (baseline === undefined) return null
    const reverse = places.get(`${baseline.name} ${group.name}`)
    if (reverse !== undefined) return () => fromOtherSide(all[reverse]!, baseline, measure)
    const at = comparisons.length
    places.set(`${group.name} ${baseline.name}`, at)
    const { method, rank, name } = baseline
    const bySeed = { scores: scoresOf(group, split, measure), baseline: scoresOf(baseline, split, measure) }
    comparisons.push({ method, rank, name, ...bySeed })
    return () => all[at]!
  }
  const pending = groups.map((group) => ({
    againstLora: compare(group, baselineOf(group, LORA, groups)),
    againstFull: compare(group, baselineOf(group, FULL, groups))
  }))
  const all = differencesOf(comparisons, measure)
  const differences = pending.map(
    ({ againstLora, againstFull }): Against => ({
      againstLora: againstLora?.() ?? null,
      againstFull: againstFull?.() ?? null
    })
  )
  return { differences, comparisons: all.filter(({ probability }) => probability !== null).length }
}

const sweepWarnings = ({ best, edge, points }: Sweep, name: string, { seeds }: Study): ReadonlyArray<string> => {
  if (best === null) {
    const missing = points.every(({ failed }) => failed === 0)
    return missing ? [] : [`${name}: no rate of its grid worked: every run failed, or none has a validation loss`]
  }
  const [first, last] = [points[0]!.learningRate, points.at(-1)!.learningRate].map((rate) => scientific(rate))
  const direction = edge === "smallest" ? "smaller" : "larger"
  return [
    ...(edge === null
      ? []
      : [
          `${name}: its best rate, ${scientific(best.learningRate)}, is the ${edge} of its grid (${first} to ${last}), so a ${direction} one may be better`
        ]),
    ...(best.failed > 0
      ? [
          `${name}: at its best rate, ${scientific(best.learningRate)}, ${best.failed} of ${seeds.length} sweep runs failed`
        ]
      : [])
  ]
}

const tableWarnings = ({ entries, split, stage }: Table, { freshSeeds, commonRate }: Study): ReadonlyArray<string> => {
  const where = stage === "final" ? "at its best rate" : `at the common rate ${scientific(commonRate)}`
  const few =
    freshSeeds.length === 1
      ? ["one fresh seed gives no intervals, so methods cannot be compared: pass more with --fresh-seeds"]
      : []
  const unseen =
    split === "validation"
      ? ["the plan has no test split: methods are compared on the validation rows, which also chose their rates"]
      : []
  return [
    ...(stage === "final" ? [...few, ...unseen] : []),
    ...entries
      .filter(({ failed }) => failed > 0)
      .map(({ name, failed, done }) => {
        const over = done === 0 ? "no run is left to average" : `its figures are over the ${done} that did not`
        return `${name}: ${failed} of ${failed + done} fresh runs ${where} failed; ${over}`
      }),
    ...entries
      .filter(({ learnedNothing }) => learnedNothing.runs > 0)
      .map(({ name, done, learnedNothing: { runs, says } }) => {
        return `${name}: ${runs} of ${done} fresh runs ${where} say that they learned nothing: ${says}`
      }),
    ...entries
      .filter(({ missing, learningRate }) => missing > 0 && learningRate !== null)
      .map(
        ({ name, missing }) => `${name}: ${missing} of ${freshSeeds.length} fresh runs ${where} have not finished yet`
      )
  ]
}
