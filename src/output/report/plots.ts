/**
 * The curves of a run as data, which `draw.ts` draws in the browser.
 *
 * A long run is drawn with at most 1,000 points, each the mean of its steps; the worst site of a point is the worst of its steps.
 */
import { capital } from "../../boundary/index.ts"
import { scoreOf } from "../../training/index.ts"
import { exponentialMean, type Plot, type Series } from "./chart.ts"
import type { Evaluation, MeasuredKind, MetricsSoFar, Step } from "./run-record.ts"

const POINTS = 1000

export const roundedOrNull = (value: number | null): number | null => (value === null ? null : rounded(value))

type Pick = (step: Step) => number | null | undefined
type Fold = (values: ReadonlyArray<number>) => number

const mean: Fold = (values) => values.reduce((sum, value) => sum + value / values.length, 0)
const smallest: Fold = (values) => Math.min(...values)
const largest: Fold = (values) => Math.max(...values)

/** Divides consecutive steps into at most POINTS groups of equal size. */
export const grouped = <A>(steps: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> => {
  const size = Math.ceil(steps.length / POINTS)
  return Array.from({ length: size === 0 ? 0 : Math.ceil(steps.length / size) }, (_, i) =>
    steps.slice(i * size, (i + 1) * size)
  )
}

// Five digits are more than a plot shows, and half the file.
const DIGITS = 5
/** Powers of ten are exact up to here, and so is what is divided by one: the double of those digits. */
const EXACT = 22

/**
 * Rounds a value to its displayed digits, by arithmetic where that is exact: a hundred runs have two million values to draw, and formatting
 * digits takes ten times as long.
 */
export const rounded = (value: number): number => {
  const places = DIGITS - 1 - Math.floor(Math.log10(Math.abs(value)))
  if (!(Math.abs(places) <= EXACT)) return Number(value.toPrecision(DIGITS))
  return places >= 0
    ? Math.round(value * 10 ** places) / 10 ** places
    : Math.round(value / 10 ** -places) * 10 ** -places
}

const folded = (groups: ReadonlyArray<ReadonlyArray<Step>>, pick: Pick, fold: Fold = mean, positive = false) =>
  groups.map((group) => {
    const values: Array<number> = []
    for (const step of group) {
      const value = pick(step)
      if (typeof value === "number" && (!positive || value > 0)) values.push(value)
    }
    return values.length === 0 ? null : rounded(fold(values))
  })

/** Returns the exponential mean, rounded to the precision of a plot. */
export const smoothed = (values: ReadonlyArray<number | null>, span: number): ReadonlyArray<number | null> =>
  exponentialMean(values, span).map(roundedOrNull)

/** Creates plots over one horizontal axis; omits series without a number. */
export const plotOver =
  (x: Plot["x"]) =>
  (id: string, title: string, unit: string, logarithmic: boolean, series: ReadonlyArray<Series>): Plot => ({
    id,
    title,
    unit,
    logarithmic,
    x,
    series: series.filter(({ values }) => values.some((value) => value !== null))
  })

/** Returns every plot for which the run has values so far. */
export const plotsOf = ({ steps, evaluations }: MetricsSoFar, kind: MeasuredKind): ReadonlyArray<Plot> => {
  const groups = grouped(steps)
  const x = groups.map((group) => group.at(-1)!.step)
  const plot = plotOver(x)
  const line = (label: string, pick: Pick, colour = 0, positive = false): Series => ({
    label,
    values: folded(groups, pick, mean, positive),
    colour,
    kind: "line"
  })
  const health = (key: keyof Step["health"], name: string, fold: Fold, colour: number): ReadonlyArray<Series> => [
    line(`${name}median`, ({ health }) => health[key]?.median, colour, true),
    {
      label: `${name}worst site`,
      values: folded(groups, ({ health }) => health[key]?.worst, fold, true),
      colour,
      kind: "dashed"
    }
  ]
  return [
    lossPlot(steps, groups, evaluations),
    ...scorePlots(evaluations, kind),
    plot("learning-rate", "Learning rate", "η", false, [line("learning rate", (step) => step.learningRate)]),
    plot("step-time", "Time of a step", "milliseconds", true, [line("step", (step) => step.milliseconds, 0, true)]),
    plot("gradient-norm", "Gradient norm, before clipping", "global norm", true, [
      line("norm", (step) => step.gradNorm, 0, true)
    ]),
    plot("conditioning", "LoRA-Pro: conditioning of the factors", "λ_min(BᵀB) / δ", true, [
      ...health("conditioning", "", smallest, 0)
    ]),
    plot("updates", "Relative updates of the factors", "‖Δ‖ / ‖factor‖", true, [
      ...health("relativeUpdateA", "A, ", largest, 0),
      ...health("relativeUpdateB", "B, ", largest, 1)
    ])
  ].filter(({ series }) => series.length > 0)
}

const splitColours: Readonly<Record<string, number>> = { validation: 1, test: 2 }

/** One series of points for each split, over `x`. Of a step that was evaluated again on more rows the first, whose rows are those of the others. */
const evaluated = (
  evaluations: ReadonlyArray<Evaluation>,
  x: ReadonlyArray<number>,
  pick: (evaluation: Evaluation) => number | null
): ReadonlyArray<Series> =>
  [...new Set(evaluations.map(({ split }) => split))].sort().map((split) => {
    const rows = evaluations.filter((row) => row.split === split).toReversed()
    const byStep = new Map(rows.map((row) => [row.step, pick(row)]))
    return {
      label: split,
      values: x.map((step) => byStep.get(step) ?? null).map((value) => (value === null ? null : rounded(value))),
      colour: splitColours[split] ?? 3,
      kind: "points"
    }
  })

const lossPlot = (
  steps: ReadonlyArray<Step>,
  groups: ReadonlyArray<ReadonlyArray<Step>>,
  evaluations: ReadonlyArray<Evaluation>
): Plot => {
  const ends = groups.map((group) => group.at(-1)!.step)
  const x = [...new Set([...ends, ...evaluations.map(({ step }) => step)])].sort((a, b) => a - b)
  const span = Math.max(5, Math.round(steps.length / 20))
  const raw = folded(groups, ({ loss }) => loss)
  const each = new Map(ends.map((step, i) => [step, raw[i] ?? null]))
  const curve = exponentialMean(
    steps.map(({ loss }) => loss),
    span
  )
  const plotted = new Set(x)
  const smooth = new Map<number, number | null>()
  for (const [i, { step }] of steps.entries()) if (plotted.has(step)) smooth.set(step, roundedOrNull(curve[i] ?? null))
  const series: ReadonlyArray<Series> = [
    { label: "training", values: x.map((step) => each.get(step) ?? null), colour: 0, kind: "faint" },
    {
      label: `training, mean of ~${span} steps`,
      values: x.map((step) => smooth.get(step) ?? null),
      colour: 0,
      kind: "line"
    },
    ...evaluated(evaluations, x, ({ loss }) => loss)
  ]
  return { id: "loss", title: "Loss", unit: "", logarithmic: false, x, series }
}

/** A plot for each share that the first sentence speaks of. */
const scorePlots = (
  evaluations: ReadonlyArray<Evaluation>,
  { metrics, headline }: MeasuredKind
): ReadonlyArray<Plot> => {
  const x = [...new Set(evaluations.map(({ step }) => step))].sort((a, b) => a - b)
  return headline.flatMap((name) => {
    const { label, unit } = metrics[name]!
    if (unit !== "%") return []
    const series = evaluated(evaluations, x, (evaluation) => {
      const share = scoreOf(evaluation, name)
      return share === null ? null : 100 * share
    })
    return [{ id: name, title: capital(label), unit, logarithmic: false, x, series }]
  })
}
