/** The rows of a run's metrics.jsonl so far, and their plots: the same as a report's. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import {
  type Diagnostics,
  type Evaluation,
  gradientPlots,
  type MeasuredKind,
  type MetricsSoFar,
  type Plot,
  plotsOf,
  rowIn,
  type Step
} from "../../output/report/index.ts"
import { growingFile } from "./growing-file.ts"

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
    read: Effect.map(growing.more, ({ lines, anew }) => {
      if (anew) for (const list of Object.values(rows)) list.length = 0
      for (const line of lines) take(line)
      return anew || lines.length > 0
    })
  }
}

/** Every plot that there are numbers for. */
export const plotsSoFar = (rows: MetricsSoFar, kind: MeasuredKind): ReadonlyArray<Plot> => [
  ...plotsOf(rows, kind),
  ...gradientPlots(rows.diagnostics)
]
