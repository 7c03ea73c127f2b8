/**
 * The end of a run. A run that fails or is interrupted saves the state of the last good step and prints how to
 * resume it. A run that finishes writes `report.html` and the adapter's model card. These come last and use only what is
 * already saved, so a run whose page cannot be written is still complete, and reports that.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import type { Path } from "effect/Path"
import { messageOf, shellWord } from "../boundary/index.ts"
import type { LoadedKind } from "../kinds/index.ts"
import {
  type Checkpoints,
  type Run,
  type RunFolder,
  type RunReport,
  writeModelCard,
  writeReport
} from "../output/index.ts"
import { command } from "../output/invocation.ts"
import type { ResolvedPlan } from "../plan/index.ts"
import { Ranks } from "../ranks/index.ts"
import type { Session } from "../training/index.ts"
import { notice, warn } from "./progress.ts"

/**
 * Saves the state on failure and on interruption. `recorded`: the last step whose numbers were read from a working device and are in the metrics:
 * a later state is not saved, and the run resumes from the checkpoint before. If a state cannot be saved, that is reported and hides
 * no other error.
 */
export const savedOnFailure =
  (session: Pick<Session, "step" | "optimizer">, checkpoints: Checkpoints, run: Run, recorded: () => number) =>
  <A, E, R>(training: Effect.Effect<A, E, R>) =>
    Effect.onError(training, (cause) =>
      Effect.gen(function* () {
        const { stop } = yield* Ranks
        // after an agreed stop all ranks are present; after any other end some may be gone, and their part of the state would never arrive
        const together = stop.agreed && Cause.hasInterruptsOnly(cause)
        const isPartElsewhere = session.optimizer.shared !== undefined && !together
        const recordedAll = session.step === recorded()
        const saving = recordedAll && !isPartElsewhere ? checkpoints.save : Effect.ignore(checkpoints.settle)
        const problem = yield* Effect.match(saving, {
          onSuccess: () => {
            if (!recordedAll) return "its metrics could not be recorded"
            const isSaved = checkpoints.saved() === session.step
            return isPartElsewhere && !isSaved ? "other processes of the run hold parts of it" : undefined
          },
          onFailure: ({ message }) => message
        })
        yield* notice(yield* resumeHint(run, session.step, checkpoints.saved(), problem))
      })
    )

const resumeHint = ({ directory, guard }: Run, step: number, saved: number, problem: string | undefined) =>
  Effect.map(guard.place, (folderState) => {
    const lost = problem === undefined ? "" : `step ${step} is not saved (${problem.split("\n")[0]}); `
    if (folderState.kind === "removed") return `${lost}${directory} was removed, with all saved steps`
    const there = folderState.kind === "here" ? "" : " in it"
    const state = saved === 0 ? `no step is saved${there} yet` : `step ${saved} is saved${there}`
    const resume = (folder: string) => `resume with: ${command(`train --resume ${folder}`)}`
    if (folderState.kind === "here") return `${lost}${state}; ${resume(shellWord(directory))}`
    if (folderState.kind === "renamed")
      return `${lost}${directory} was renamed to ${folderState.to}; ${state}; ${resume(shellWord(folderState.to))}`
    return `${lost}${directory} was moved elsewhere; ${state}; ${resume("")}and its new name`
  })

export const presentRun = (
  kind: LoadedKind,
  folder: RunFolder,
  resolved: ResolvedPlan,
  report: RunReport
): Effect.Effect<void, never, FileSystem | Path> =>
  Effect.gen(function* () {
    const saved = `the results are saved in ${folder.directory}/ nevertheless`
    // includes defects: an error in the report must not make a complete run fail
    const orNotice = Effect.catchCause((cause: Cause.Cause<unknown>) => {
      if (Cause.hasInterrupts(cause)) return Effect.interrupt
      const error = Cause.squash(cause)
      const message = messageOf(error)
      return warn(`${message}; ${saved}`)
    })
    const { card } = yield* Effect.promise(kind.publisher)
    yield* orNotice(writeModelCard({ metrics: kind.metrics, card }, resolved, report))
    yield* orNotice(writeReport(folder, { ...kind, next: (run) => kind.next(resolved.plan, run) }))
  }).pipe(Effect.withSpan("report"))
