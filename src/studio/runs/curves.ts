/** The plots of watched runs, the same as in a report; and one plot with the curves of several runs. */

import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Files } from "../../files/index.ts"
import { runFolder } from "../../output/index.ts"
import {
  type Diagnostics,
  type Evaluation,
  gradientPlots,
  type MeasuredKind,
  type MetricsSoFar,
  type Plot,
  plotsOf,
  rowIn,
  type Series,
  type Step
} from "../../output/report/index.ts"
import type { Curves, RunCurve } from "../protocol/index.ts"
import type { RunReader } from "./summary.ts"
import { growingFile, stampOf } from "./watching.ts"

/** The rows of a run's metrics.jsonl so far. */
export interface FollowedMetrics {
  readonly rows: MetricsSoFar
  /** Reads what came since; whether anything did. */
  readonly read: Effect.Effect<boolean, never, FileSystem.FileSystem>
}

export const followMetrics = (file: string): FollowedMetrics => {
  const growing = growingFile(file)
  const rows = {
    steps: [] as Step[],
    evaluations: [] as Evaluation[],
    diagnostics: [] as Diagnostics[]
  }
  const take = (line: string) => {
    const row = rowIn(line)
    if (row === undefined) return
    if (row.kind === "step") rows.steps.push(row)
    else if (row.kind === "evaluation") rows.evaluations.push(row)
    else rows.diagnostics.push(row)
  }
  return {
    rows,
    read: Effect.map(growing.more, ({ lines, isReplaced }) => {
      if (isReplaced) for (const list of Object.values(rows)) list.length = 0
      for (const line of lines) take(line)
      return isReplaced || lines.length > 0
    })
  }
}

/** Every plot that there are numbers for. */
export const plotsSoFar = (rows: MetricsSoFar, kind: MeasuredKind): ReadonlyArray<Plot> => [
  ...plotsOf(rows, kind),
  ...gradientPlots(rows.diagnostics)
]

const mean = (values: ReadonlyArray<number | null>): number | null => {
  const finite = values.filter((value) => value !== null)
  return finite.length === 0 ? null : finite.reduce((sum, value) => sum + value / finite.length, 0)
}

/** The same curve with `points` at most: each the mean of as many that follow each other, at the last of them. */
export const thinned = ({ x, series }: Pick<Plot, "x" | "series">, points: number): Pick<Plot, "x" | "series"> => {
  if (x.length <= points) return { x, series }
  const size = Math.ceil(x.length / Math.max(1, points))
  const groups = Array.from({ length: Math.ceil(x.length / size) }, (_, i) => [i * size, (i + 1) * size] as const)
  return {
    x: groups.map(([from, to]) => x.slice(from, to).at(-1)!),
    series: series.map(
      (line): Series => ({ ...line, values: groups.map(([from, to]) => mean(line.values.slice(from, to))) })
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
  for (const { plots } of runs)
    for (const candidate of plots) if (!available.has(candidate.id)) available.set(candidate.id, candidate)
  const selected = available.get(plot) ?? available.values().next().value
  const curves = runs.flatMap(({ id, plots }): ReadonlyArray<RunCurve> => {
    const ofRun = plots.find((candidate) => candidate.id === selected?.id)
    return ofRun === undefined ? [] : [{ id, ...thinned(ofRun, points) }]
  })
  return {
    available: [...available.values()].map(({ id, title }) => ({ id, title })),
    title: selected?.title ?? "",
    unit: selected?.unit ?? "",
    logarithmic: selected?.logarithmic ?? false,
    runs: curves
  }
}

/** The plots of runs, kept: of a run that is under way its rows too, so that only new ones are read; of others what is drawn alone. */
interface Kept {
  readonly stamp: string
  readonly plots: ReadonlyArray<Plot>
  readonly followed: FollowedMetrics | undefined
}

/** About 200 kB each. */
const MOST = 300

export interface PlotReader {
  /** All plots of a run; the same value for as long as its metrics.jsonl is the same. `live`: whether more is to come, where that is known. */
  readonly plots: (id: string, live?: boolean) => Effect.Effect<ReadonlyArray<Plot>, never, Files>
}

const NONE: ReadonlyArray<Plot> = []

/** The plots of runs, kept: of a run that is under way its rows too, so that only new ones are read; of others what is drawn alone. */
export const plotReader = ({ plan }: Pick<RunReader, "plan">): PlotReader => {
  const cached = new Map<string, Kept>()
  return {
    plots: (id, live) =>
      Effect.gen(function* () {
        const { metrics } = yield* runFolder(id)
        const stamp = yield* stampOf(metrics)
        const last = cached.get(id)
        if (stamp === undefined) {
          cached.delete(id)
          return NONE
        }
        if (last?.stamp === stamp) {
          cached.delete(id)
          cached.set(id, live === false ? { ...last, followed: undefined } : last)
          return last.plots
        }
        const planOfRun = yield* plan(id)
        if (planOfRun === null) return NONE
        const followed = last?.followed ?? followMetrics(metrics)
        yield* followed.read
        const plots = plotsSoFar(followed.rows, planOfRun.kind)
        cached.delete(id)
        const goesOn = live ?? last?.followed !== undefined
        cached.set(id, { stamp, plots, followed: goesOn ? followed : undefined })
        if (cached.size > MOST) cached.delete(cached.keys().next().value!)
        return plots
      })
  }
}
