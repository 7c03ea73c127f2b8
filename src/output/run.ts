/**
 * A run on disk: `plan.json` when it starts, a line of `metrics.jsonl` for everything it reports, `run.json` when it is done.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { RunPlan } from "../../schemas/run-plan.ts"
import type { SplitDescription } from "../data/index.ts"
import { type FileError, writeJson } from "../files/index.ts"
import { relocate } from "../plan/read.ts"
import type { ResolvedPlan } from "../plan/resolved.ts"
import type { Mistake, StepReport } from "../training/index.ts"
import { type BaseIdentity, baseIdentity } from "./base-identity.ts"
import type { StoredCheckpoint } from "./checkpoint-read.ts"
import type { Inputs } from "./checkpoint-record.ts"
import { inputsOf } from "./inputs.ts"
import { appendMetrics, type EvaluationReport, type MetricsRow } from "./metrics.ts"
import { createRunFolder, type RunFolder, type RunFolderExists } from "./run-folder.ts"
import { lockRun, type RunLocked } from "./run-lock.ts"
import { versions } from "./versions.ts"

export interface Run extends RunFolder {
  /** of the plan it started from */
  readonly name: string
  /** the plan as plan.json says it */
  readonly written: unknown
  /** the files it reads, by content */
  readonly inputs: Inputs
  readonly append: (row: MetricsRow) => Effect.Effect<void, FileError, FileSystem.FileSystem>
  /** what was reported before this process took over; empty for a new run */
  readonly history: ReadonlyArray<MetricsRow>
  /** where a resumed run goes on; null: at its first step */
  readonly checkpoint: StoredCheckpoint | null
}

export type RunEnvironment = FileSystem.FileSystem | Path.Path | Scope.Scope

/** Creates the run folder and writes the plan with every default filled in: training that plan again repeats the run. */
export const openRun = (
  resolved: ResolvedPlan,
  directory: string | undefined
): Effect.Effect<Run, RunFolderExists | RunLocked | FileError, RunEnvironment> =>
  Effect.gen(function* () {
    const inputs = yield* inputsOf(resolved)
    const folder = yield* createRunFolder(directory ?? resolved.plan.output.directory, resolved.name)
    yield* lockRun(folder.directory)
    const written = yield* planIn(resolved, folder.directory)
    yield* writeJson(folder.plan, written)
    const { name } = resolved
    return { ...folder, name, written, inputs, append: appendMetrics(folder.metrics), history: [], checkpoint: null }
  })

/** The plan as it stands in a run folder: inputs relative to it, the folder itself not named; keys in the order of the schema. */
export const planIn = (resolved: ResolvedPlan, directory: string): Effect.Effect<object, never, Path.Path> =>
  Effect.map(relocate(resolved.plan, directory), ({ $schema: _, output: { directory: __, ...output }, ...plan }) =>
    Schema.decodeUnknownSync(RunPlan)({ ...plan, output })
  )

/** What the device says of itself; kept as it is. */
export type DeviceReport = object

export interface RunReport {
  readonly name: string
  readonly directory: string
  readonly adapter: string
  readonly labels: ReadonlyArray<string>
  readonly device: DeviceReport
  readonly versions: Readonly<Record<string, string>>
  readonly trainable: ResolvedPlan["trainable"]
  readonly steps: number
  /** of training alone: the steps, without evaluations */
  readonly seconds: number
  /** mean loss of the last tenth of the steps */
  readonly trainLoss: number
  /** before training, on `training.evaluateRows` rows */
  readonly before: EvaluationReport | null
  readonly validation: EvaluationReport | null
  readonly test: EvaluationReport | null
  /** on the last split, the most confident first; 20 at most */
  readonly mistakes: ReadonlyArray<Mistake>
  /** rows and classes of every split */
  readonly data: ReadonlyArray<SplitDescription>
  /** largest resident memory of the process */
  readonly peakBytes: number
  readonly base: BaseIdentity
}

export interface Outcome {
  /** class names; none where rows have no classes */
  readonly labels: ReadonlyArray<string>
  readonly device: DeviceReport
  readonly peakBytes: number
  readonly reports: ReadonlyArray<Pick<StepReport, "loss" | "milliseconds">>
  readonly before: EvaluationReport | undefined
  readonly after: { readonly reports: ReadonlyArray<EvaluationReport>; readonly mistakes: ReadonlyArray<Mistake> }
}

/** Writes `run.json` and returns what it says. */
export const finishRun = (
  run: Run,
  resolved: ResolvedPlan,
  { labels, device, peakBytes, reports, before, after }: Outcome
): Effect.Effect<RunReport, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const of = (split: EvaluationReport["split"]) => after.reports.find((report) => report.split === split) ?? null
    const last = reports.slice(-Math.ceil(reports.length / 10))
    const report: RunReport = {
      name: resolved.name,
      directory: run.directory,
      adapter: run.adapter,
      labels,
      device,
      versions: versions(),
      trainable: resolved.trainable,
      steps: resolved.steps,
      seconds: reports.reduce((sum, { milliseconds }) => sum + milliseconds / 1000, 0),
      trainLoss: last.reduce((sum, { loss }) => sum + loss / last.length, 0),
      before: before ?? null,
      validation: of("validation"),
      test: of("test"),
      mistakes: after.mistakes,
      data: resolved.data.describe().map((split) => ({ classes: [], ...split })),
      peakBytes,
      base: yield* baseIdentity(resolved.base)
    }
    yield* writeJson(run.report, report)
    return report
  })
