/**
 * A run on disk: `plan.json` when it starts, a line of `metrics.jsonl` for everything it reports, `run.json` when it is done.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import { relocate } from "../plan/read.ts"
import type { ResolvedPlan } from "../plan/resolve.ts"
import type { StepReport } from "../training/index.ts"
import { type FileError, writeJson } from "./atomic-file.ts"
import { type BaseIdentity, baseIdentity } from "./base-identity.ts"
import { appendMetrics, type EvaluationReport } from "./metrics.ts"
import { createRunFolder, type RunFolder, type RunFolderExists } from "./run-folder.ts"
import { versions } from "./versions.ts"

export interface Run extends RunFolder {
  readonly append: (row: StepReport | EvaluationReport) => Effect.Effect<void, FileError, FileSystem.FileSystem>
}

/** Creates the run folder and writes the plan with every default filled in: training that plan again repeats the run. */
export const openRun = (
  resolved: ResolvedPlan,
  directory: string | undefined
): Effect.Effect<Run, RunFolderExists | FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const folder = yield* createRunFolder(directory ?? resolved.plan.output.directory, resolved.name)
    const { $schema: _, output: __, ...plan } = yield* relocate(resolved.plan, folder.directory)
    yield* writeJson(folder.plan, plan)
    return { ...folder, append: appendMetrics(folder.metrics) }
  })

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
  /** largest resident memory of the process */
  readonly peakBytes: number
  readonly base: BaseIdentity
}

export interface Outcome {
  readonly device: DeviceReport
  readonly peakBytes: number
  readonly reports: ReadonlyArray<Pick<StepReport, "loss" | "milliseconds">>
  readonly before: EvaluationReport | undefined
  readonly after: ReadonlyArray<EvaluationReport>
}

/** Writes `run.json` and returns what it says. */
export const finishRun = (
  run: Run,
  resolved: ResolvedPlan,
  { device, peakBytes, reports, before, after }: Outcome
): Effect.Effect<RunReport, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const of = (split: EvaluationReport["split"]) => after.find((report) => report.split === split) ?? null
    const last = reports.slice(-Math.ceil(reports.length / 10))
    const report: RunReport = {
      name: resolved.name,
      directory: run.directory,
      adapter: run.adapter,
      labels: resolved.model.labels,
      device,
      versions: versions(),
      trainable: resolved.trainable,
      steps: resolved.steps,
      seconds: reports.reduce((sum, { milliseconds }) => sum + milliseconds / 1000, 0),
      trainLoss: last.reduce((sum, { loss }) => sum + loss / last.length, 0),
      before: before ?? null,
      validation: of("validation"),
      test: of("test"),
      peakBytes,
      base: yield* baseIdentity(resolved.model.folder)
    }
    yield* writeJson(run.report, report)
    return report
  })
