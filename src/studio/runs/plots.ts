/** The plots of runs, kept: of a run that is under way its rows too, so that only new ones are read; of others what is drawn alone. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import { runFolder } from "../../output/index.ts"
import type { Plot } from "../../output/report/index.ts"
import { type FollowedMetrics, followMetrics, plotsSoFar } from "./curve-data.ts"
import { stampOf } from "./seen-file.ts"
import type { RunReader } from "./summary.ts"

type Files = FileSystem.FileSystem | Path.Path

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

export const plotReader = ({ plan }: Pick<RunReader, "plan">): PlotReader => {
  const kept = new Map<string, Kept>()
  return {
    plots: (id, live) =>
      Effect.gen(function* () {
        const { metrics } = yield* runFolder(id)
        const stamp = yield* stampOf(metrics)
        const last = kept.get(id)
        if (stamp === undefined) {
          kept.delete(id)
          return NONE
        }
        if (last?.stamp === stamp) {
          kept.delete(id)
          kept.set(id, live === false ? { ...last, followed: undefined } : last)
          return last.plots
        }
        const own = yield* plan(id)
        if (own === null) return NONE
        const followed = last?.followed ?? followMetrics(metrics)
        yield* followed.read
        const plots = plotsSoFar(followed.rows, own.kind)
        kept.delete(id)
        const goesOn = live ?? last?.followed !== undefined
        kept.set(id, { stamp, plots, followed: goesOn ? followed : undefined })
        if (kept.size > MOST) kept.delete(kept.keys().next().value!)
        return plots
      })
  }
}
