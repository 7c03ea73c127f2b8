/**
 * What was seen of the full gradient, as curves: the median site as a line, the worst as a dashed one. Where there are
 * more probes than points, each point is the mean of the medians and the worst of the worst.
 */
import { grouped, type Plot, plotOver, rounded, type Series } from "./plots.ts"
import type { Diagnostics, Site } from "./run-record.ts"

type Pick = (site: Site) => number | null
type Worst = (...values: ReadonlyArray<number>) => number

const known = (values: ReadonlyArray<number | null>): ReadonlyArray<number> => values.filter((value) => value !== null)

const median = (values: ReadonlyArray<number>): number | null => {
  const order = [...values].sort((a, b) => a - b)
  const middle = order.length >> 1
  if (order.length === 0) return null
  return order.length % 2 === 1 ? order[middle]! : (order[middle - 1]! + order[middle]!) / 2
}

/** Null where there is nothing to take the mean of. */
export const meanOf = (values: ReadonlyArray<number | null>): number | null => {
  const all = known(values)
  return all.length === 0 ? null : all.reduce((sum, value) => sum + value / all.length, 0)
}

const roundedOrNull = (value: number | null): number | null => (value === null ? null : rounded(value))

/** Every plot that the probes have numbers for. */
export const gradientPlots = (probes: ReadonlyArray<Diagnostics>): ReadonlyArray<Plot> => {
  const groups = grouped(probes)
  const x = groups.map((group) => group.at(-1)!.step)
  const each = (pick: Pick) => groups.map((group) => group.map(({ sites }) => known(sites.map(pick))))
  const middle = (label: string, colour: number, pick: Pick, kind: Series["kind"] = "line"): Series => ({
    label,
    values: each(pick).map((group) => roundedOrNull(meanOf(group.map(median)))),
    colour,
    kind
  })
  const worst = (label: string, colour: number, pick: Pick, of: Worst): Series => ({
    label,
    values: each(pick).map((group) => (group.flat().length === 0 ? null : rounded(of(...group.flat())))),
    colour,
    kind: "dashed"
  })
  const both = (name: string, colour: number, pick: Pick, of: Worst) => [
    middle(`${name}median`, colour, pick),
    worst(`${name}worst site`, colour, pick, of)
  ]
  const plot = plotOver(x)
  return [
    plot("discrepancy", "Distance to the full gradient", "‖g − g̃‖ / ‖g‖", false, [
      ...both("best possible, ", 1, ({ best }) => best.discrepancy, Math.max),
      middle("method with the best factor, median", 0, ({ method }) => method.scaledDiscrepancy, "faint"),
      ...both("method, ", 0, ({ method }) => method.discrepancy, Math.max)
    ]),
    plot("cosine", "Cosine with the full gradient", "cos(g, g̃)", false, [
      ...both("best possible, ", 1, ({ best }) => best.cosine, Math.min),
      ...both("method, ", 0, ({ method }) => method.cosine, Math.min),
      middle("step taken, median", 2, ({ stepCosine }) => stepCosine)
    ]),
    plot("condition", "Condition of the factors", "σ_max / σ_min", true, [
      ...both("A, ", 0, ({ A }) => A.condition, Math.max),
      ...both("B, ", 1, ({ B }) => B.condition, Math.max)
    ]),
    plot(
      "effective-rank",
      "Effective rank of ΔW",
      "exp of the singular values' entropy",
      false,
      both("", 0, ({ effectiveRank }) => effectiveRank, Math.min)
    ),
    plot(
      "gauge",
      "Gauge of the factors",
      "‖A‖ / ‖B‖",
      true,
      both("", 0, ({ gauge }) => gauge, Math.max)
    )
  ].filter(({ series }) => series.length > 0)
}
