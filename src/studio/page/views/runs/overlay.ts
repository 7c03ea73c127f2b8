/** The curves of several runs as one plot, a colour and a stroke for each run. */
import type { Curves, Plot, Series } from "../../../protocol/index.ts"

export interface Overlay {
  readonly plot: Plot
  /** of each curve */
  readonly dashes: ReadonlyArray<ReadonlyArray<number>>
}

/** Runs that are shown with all their curves; of more, each has one. */
const FEW = 4
const COLOURS = 4
const strokes: ReadonlyArray<ReadonlyArray<number>> = [[], [9, 4], [2, 3], [12, 3, 2, 3]]

const countOf = ({ values }: Series): number => values.reduce<number>((sum, value) => sum + (value === null ? 0 : 1), 0)

/** The curve that stands for a run: a line where there is one, the one with the most values otherwise. */
const mainOf = (series: ReadonlyArray<Series>): Series | undefined =>
  series.find(({ kind }) => kind === "line") ??
  series.toSorted((a, b) => countOf(b) - countOf(a) || (a.label < b.label ? -1 : 1))[0]

/** Values of a run over the horizontal axis of all: the mean of those that fall together. */
const placed = (
  steps: ReadonlyArray<number>,
  values: Series["values"],
  at: ReadonlyMap<number, number>,
  size: number
) => {
  const sums = new Float64Array(size)
  const counts = new Uint32Array(size)
  for (const [i, x] of steps.entries()) {
    const value = values[i]
    if (value === null || value === undefined) continue
    const index = at.get(x)!
    sums[index]! += value
    counts[index]! += 1
  }
  return Array.from(sums, (sum, i) => (counts[i] === 0 ? null : sum / counts[i]!))
}

/** `points`: places on the horizontal axis, at most; steps that are closer share one. */
export const overlaid = (curves: Curves, nameOf: (id: string) => string, points: number): Overlay => {
  const { title, unit, logarithmic, runs } = curves
  const all = [...new Set(runs.flatMap(({ x }) => x))].sort((a, b) => a - b)
  const size = Math.max(1, Math.ceil(all.length / points))
  const at = new Map(all.map((x, i) => [x, Math.floor(i / size)]))
  const x = Array.from(
    { length: Math.ceil(all.length / size) },
    (_, i) => all[Math.min(all.length, (i + 1) * size) - 1]!
  )
  const drawn = runs.flatMap((run, i) => {
    const main = mainOf(run.series)
    if (main === undefined) return []
    const siblings = run.series.filter((curve) => curve !== main && curve.kind !== "faint")
    const visible = runs.length > FEW ? [main] : [main, ...siblings]
    return visible.map((curve) => ({
      dash: strokes[Math.floor(i / COLOURS) % strokes.length]!,
      series: {
        ...curve,
        label: visible.length === 1 ? nameOf(run.id) : `${nameOf(run.id)}, ${curve.label}`,
        values: placed(run.x, curve.values, at, x.length),
        colour: i % COLOURS
      }
    }))
  })
  return {
    plot: { id: "overlay", title, unit, logarithmic, x, series: drawn.map(({ series }) => series) },
    dashes: drawn.map(({ dash }) => dash)
  }
}
