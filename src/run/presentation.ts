/**
 * What a finished run shows its readers: `report.html` and the adapter's model card. Made last and from what is already saved, so a
 * run whose page cannot be written is a good run that says so.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { LoadedKind } from "../kinds/index.ts"
import { type RunFolder, type RunReport, writeModelCard, writeReport } from "../output/index.ts"
import type { ResolvedPlan } from "../plan/index.ts"
import { Progress } from "./progress.ts"

export const presentRun = (kind: LoadedKind, folder: RunFolder, resolved: ResolvedPlan, report: RunReport) =>
  Effect.gen(function* () {
    const tell = yield* Progress
    const saved = `the results are saved in ${folder.directory}/ all the same`
    // defects too: a mistake in the making of a page must not turn a good run into a failed one
    const orNotice = Effect.catchCause((cause: Cause.Cause<unknown>) => {
      if (Cause.hasInterrupts(cause)) return Effect.interrupt
      const error = Cause.squash(cause)
      const message = error instanceof Error ? error.message : String(error)
      return tell({ kind: "notice", message: `warning: ${message}; ${saved}` })
    })
    const { card } = yield* Effect.promise(kind.publisher)
    yield* orNotice(writeModelCard({ metrics: kind.metrics, card }, resolved, report))
    yield* orNotice(writeReport(folder, { ...kind, next: (run) => kind.next(resolved.plan, run) }))
  })
