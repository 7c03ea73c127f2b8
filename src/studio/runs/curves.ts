/** One plot of several runs, each with as many points as fit on a screen. */
import type { Plot, Series } from "../../output/report/index.ts"
import type { Curves, RunCurve } from "../protocol/index.ts"

const mean = (values: ReadonlyArray<number | null>): number | null => {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value / known.length, 0)
}

/** The same curve with `points` at most: each the mean of as many that follow each other, at the last of them. */
export const thinned = ({ x, series }: Pick<Plot, "x" | "series">, points: number): Pick<Plot, "x" | "series"> => {
  if (x.length <= points) return { x, series }
  const size = Math.ceil(x.length / Math.max(1, points))
  const groups = Array.from({ length: Math.ceil(x.length / size) }, (_, i) => [i * size, (i + 1) * size] as const)
  return {
    x: groups.map(([from, to]) => x.slice(from, to).at(-1)!),
    series: series.map(
      (one): Series => ({ ...one, values: groups.map(([from, to]) => mean(one.values.slice(from, to))) })
    )
  }
}

export interface PlotsOfRun {
  readonly id: string
  readonly plots: ReadonlyArray<Plot>
}

/** `plot`: the id of one; the first that there is where no run has it. */
export const curvesOf = (runs: ReadonlyArray<PlotsOfRun>, plot: string, points: number): Curves => {
  const available = new Map<string, Plot>()
  for (const { plots } of runs) for (const one of plots) if (!available.has(one.id)) available.set(one.id, one)
  const shown = available.get(plot) ?? available.values().next().value
  const curves = runs.flatMap(({ id, plots }): ReadonlyArray<RunCurve> => {
    const own = plots.find((one) => one.id === shown?.id)
    return own === undefined ? [] : [{ id, ...thinned(own, points) }]
  })
  return {
    available: [...available.values()].map(({ id, title }) => ({ id, title })),
    title: shown?.title ?? "",
    unit: shown?.unit ?? "",
    logarithmic: shown?.logarithmic ?? false,
    runs: curves
  }
}
