/**
 * Taking a run up again, in two parts: `findRun` looks whether this folder can go on with this plan and changes nothing that was
 * reported; `continueRun` makes it ready, when everything else that a run needs is there too.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { type FileError, writeJson } from "../files/index.ts"
import type { ResolvedPlan } from "../plan/resolved.ts"
import type { StoredCheckpoint } from "./checkpoint-read.ts"
import type { Inputs } from "./checkpoint-record.ts"
import { clearTemporary, newestCheckpoint, setAside } from "./checkpoints.ts"
import { inputDifferences, inputsOf } from "./inputs.ts"
import { appendMetrics } from "./metrics.ts"
import { cutMetrics, NoCheckpoint, PlanChanged, planDifferences } from "./resume.ts"
import { planIn, type Run, type RunEnvironment, type RunReport } from "./run.ts"
import { type RunFolder, runFolder } from "./run-folder.ts"
import { lockRun, type RunLocked } from "./run-lock.ts"

/** A run that can go on. */
export interface FoundRun extends RunFolder {
  /** of the plan it started from, where a checkpoint says it */
  readonly name: string
  readonly written: object
  readonly inputs: Inputs
  /** null: no checkpoint is whole, and the run starts at its first step */
  readonly checkpoint: StoredCheckpoint | null
  /** what run.json says, where all the steps are done and there is nothing to go on with */
  readonly finished: RunReport | null
}

type Notice = (message: string) => Effect.Effect<void>

/**
 * Locks the folder, finds its newest whole checkpoint, and holds it against the plan. `notice` hears which checkpoints are damaged.
 * Fails where the plan or a file that it reads is not what was trained with.
 */
export const findRun = (
  resolved: ResolvedPlan,
  directory: string,
  notice: Notice
): Effect.Effect<FoundRun, PlanChanged | NoCheckpoint | RunLocked | FileError, RunEnvironment> =>
  Effect.gen(function* () {
    const folder = yield* runFolder(directory)
    yield* lockRun(directory)
    yield* clearTemporary([directory, folder.checkpoints, folder.adapter])
    const found = yield* newestCheckpoint(folder.checkpoints)
    const { checkpoint, damaged } = found
    const written = yield* planIn(resolved, directory)
    const inputs = yield* inputsOf(resolved)
    if (checkpoint !== null) {
      const differences = [
        ...planDifferences(checkpoint.record.plan, written),
        ...inputDifferences(checkpoint.record.inputs, inputs),
        ...tooFewSteps(checkpoint.record.step, resolved)
      ]
      if (differences.length > 0) return yield* new PlanChanged({ directory, differences })
    }
    const instead = checkpoint === null ? "and there is none before it" : "the one before it is taken"
    yield* Effect.forEach(damaged, ({ message }) => notice(`${message}; ${instead}`))
    yield* setAside(found)
    const report = yield* reportIn(folder)
    const finished = report?.steps === resolved.steps ? report : null
    if (checkpoint === null && report !== null && finished === null) {
      return yield* new NoCheckpoint({ directory, steps: report.steps })
    }
    const name = checkpoint?.record.name ?? resolved.name
    return { ...folder, name, written, inputs, checkpoint, finished }
  })

const tooFewSteps = (trained: number, { plan, steps }: ResolvedPlan): ReadonlyArray<string> => {
  if (trained <= steps) return []
  const field = plan.training.steps === undefined ? "training.epochs" : "training.steps"
  return [`${field}: ${trained} steps are trained already, now ${steps} are asked for`]
}

/** run.json of a run that came to its end: it is written last, so it vouches for the adapter. */
const reportIn = (folder: RunFolder): Effect.Effect<RunReport | null, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (!(yield* fs.exists(folder.adapter))) return null
    const text = yield* fs.readFileString(folder.report)
    const report = yield* Effect.try(() => JSON.parse(text) as RunReport)
    // the paths as the user names them now
    return { ...report, directory: folder.directory, adapter: folder.adapter }
  }).pipe(Effect.orElseSucceed(() => null))

/** Makes a found run ready: the plan written anew, the metrics cut to where the checkpoint stands. */
export const continueRun = (
  { finished: _, ...found }: FoundRun,
  { steps }: ResolvedPlan,
  notice: Notice
): Effect.Effect<Run, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const step = found.checkpoint?.record.step ?? 0
    yield* notice(step === 0 ? "no whole checkpoint: starts at the first step" : `goes on after step ${step}`)
    yield* writeJson(found.plan, found.written)
    // without a checkpoint nothing vouches for the plan that the rows were made with
    const history = yield* cutMetrics(found.metrics, found.checkpoint === null ? -1 : step, steps)
    const missing = step - history.filter(({ kind }) => kind === "step").length
    if (missing > 0) yield* notice(`warning: ${found.metrics} lacks ${missing} of the ${step} steps before`)
    return { ...found, append: appendMetrics(found.metrics), history }
  })
