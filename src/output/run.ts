/**
 * A run on disk: `plan.json` from its start, a line of `metrics.jsonl` for everything it reports, `run.json` once it is finished.
 *
 * `metrics.jsonl` has one JSON object per line, in order, and is appended line by line, so that a run that stops early has its metrics:
 *
 *   {"kind":"step","step":1,"loss":0.69,"learningRate":1.25e-05,"gradNorm":1.2,"tokensPerSecond":301,…}
 *   {"kind":"diagnostics","step":1,"mean":{"method":{"discrepancy":0.97,…},"best":{…}},"sites":[…],"warnings":[]}
 *   {"kind":"evaluation","step":40,"split":"validation","loss":0.31,"accuracy":0.87,"macroF1":0.87,…}
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SiteRanks } from "../../adapters/index.ts"
import { RunPlan } from "../../schemas/index.ts"
import type { SplitDescription } from "../data/index.ts"
import {
  type FileError,
  fileError,
  type GuardedFolder,
  refuseLink,
  within,
  writeFileAtomic,
  writeJson
} from "../files/index.ts"
import type { Sources } from "../hub/hub.ts"
import { CHAT_TEMPLATE } from "../models/index.ts"
import type { ResolvedPlan } from "../plan/index.ts"
import { relocate } from "../plan/index.ts"
import { Ranks } from "../ranks/index.ts"
import type { Warning } from "../training/course.ts"
import type { DiagnosticsReport, Evaluation, FoundRate, Mistake, StepReport } from "../training/index.ts"
import type { StoredCheckpoint } from "./checkpoint-read.ts"
import { adapterFiles, type BaseIdentity, baseIdentity, type Inputs, inputsOf, recordOf } from "./inputs.ts"
import type { Baselines, Kept, Stopped } from "./outcome.ts"
import { createRunFolder, lockRun, type RunFolder, type RunFolderExists, type RunLocked } from "./run-folder.ts"
import { type Versions, versions } from "./versions.ts"

/** A run's folder, open for writing. */
export interface Run extends RunFolder {
  /** guard through which every file in the folder is written */
  readonly guard: GuardedFolder
  /** name of the run, from the plan that it started with */
  readonly name: string
  /** the plan, as written to plan.json */
  readonly recordedPlan: unknown
  /** SHA-256 of each file that the run reads */
  readonly inputs: Inputs
  /** Appends a line to metrics.jsonl. */
  readonly append: (row: MetricsRow) => Effect.Effect<void, FileError, FileSystem.FileSystem>
  /** rows reported before this process resumed the run; empty for a new run */
  readonly history: ReadonlyArray<MetricsRow>
  /** checkpoint from which a resumed run continues; null: the run starts at its first step */
  readonly checkpoint: StoredCheckpoint | null
}

export type RunEnvironment = Sources | Scope.Scope

/** Creates the run folder and writes the plan with every default filled in. Training that plan again reproduces the run. */
export const openRun = (
  resolved: ResolvedPlan,
  directory: string | undefined
): Effect.Effect<Run, RunFolderExists | RunLocked | FileError, RunEnvironment> =>
  Effect.gen(function* () {
    const inputs = recordOf(yield* inputsOf(resolved))
    const folder = yield* createRunFolder(directory ?? resolved.plan.output.directory, resolved.name)
    const guard = yield* lockRun(folder.directory)
    const recordedPlan = yield* planIn(resolved, folder.directory)
    yield* keepTemplate(resolved.plan, folder).pipe(within(guard))
    yield* writeJson(folder.plan, recordedPlan).pipe(within(guard))
    const { name } = resolved
    const append = yield* appending(folder, recordedPlan, 0, []).pipe(within(guard))
    return { ...folder, guard, name, recordedPlan, inputs, append, history: [], checkpoint: null }
  })

/** Returns a function that reports a row: to metrics.jsonl and, if the plan enables it, to TensorBoard. */
export const appending = (
  { directory, metrics }: RunFolder,
  plan: RunPlan,
  step: number,
  history: ReadonlyArray<MetricsRow>
): Effect.Effect<Run["append"], FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const append = appendMetrics(metrics)
    if (plan.output.tensorboard !== true) return append
    const { openEvents } = yield* Effect.promise(() => import("./tensorboard.ts"))
    const events = yield* openEvents({ directory, plan, step, history })
    return (row) => Effect.andThen(append(row), events(row))
  })

/** Returns the plan as a run folder stores it: input paths relative to the folder, no `out`, and keys in schema order. */
export const planIn = (
  { plan }: Pick<ResolvedPlan, "plan">,
  directory: string
): Effect.Effect<RunPlan, never, Path.Path> =>
  Effect.map(relocate(plan, directory), ({ $schema: _, output: { directory: __, ...output }, data, ...sections }) => {
    const dataSection = templateOf(plan) === undefined ? data : { ...data, chatTemplate: CHAT_TEMPLATE }
    return Schema.decodeUnknownSync(RunPlan)({ ...sections, data: dataSection, output })
  })

/** Returns the chat template's file, if the plan names one. */
const templateOf = ({ data }: Pick<RunPlan, "data">): string | undefined =>
  "chatTemplate" in data ? data.chatTemplate : undefined

/** Copies the chat template into the run, which keeps it even if the plan's file changes. */
const keepTemplate = (plan: RunPlan, { template }: RunFolder) =>
  Effect.gen(function* () {
    const file = templateOf(plan)
    if (file === undefined) return
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.readFileString(file).pipe(Effect.mapError(fileError("read", file)))
    yield* writeFileAtomic(template, text)
  })

/** The device's description of itself, unchanged. */
type DeviceReport = object

/** Contents of run.json, the record of a finished run: where it trained, its results, and what it saved. */
export interface RunReport {
  /** name of the run */
  readonly name: string
  /** the run's folder, as given */
  readonly directory: string
  /** the adapter's folder */
  readonly adapter: string
  /** class names in the order of the logits; empty if there are no classes */
  readonly labels: ReadonlyArray<string>
  /** device that trained the run */
  readonly device: DeviceReport
  /** versions of this package, tfjs, effect and the runtime */
  readonly versions: Versions
  /** number of trainable parameters, and of all parameters */
  readonly trainable: ResolvedPlan["trainable"]
  /** rank of each selected layer, as the initialization chose it; absent: the plan's ranks */
  readonly ranks?: SiteRanks
  /** size of the optimizer's tensors after the last step, in bytes; absent in records of earlier versions */
  readonly stateBytes?: number
  /** number of steps taken */
  readonly steps: number
  /** number of steps in the plan */
  readonly planned: number
  /** learning rate that the run found, if the plan left it open */
  readonly rate?: FoundRate
  /** why the run stopped early; null: it took all steps */
  readonly stopped: Stopped | null
  /** state that was saved as the adapter, if evaluations chose it; null: the last one */
  readonly kept: Kept | null
  /** training time in seconds, without evaluations */
  readonly seconds: number
  /** mean loss of the last tenth of the steps */
  readonly trainLoss: number
  /** evaluation before training, on the first rows of the split that judges the result */
  readonly before: EvaluationReport | null
  /** evaluation after training, on the same rows */
  readonly after: EvaluationReport | null
  /** final evaluation on all rows of the validation split; null: the run has no such split */
  readonly validation: EvaluationReport | null
  /** final evaluation on all rows of the test split; null: the run has no such split */
  readonly test: EvaluationReport | null
  /** baselines of these splits; null if the baseline is the model before training */
  readonly baseline: Baselines
  /** reasons why the run learned nothing, with remedies; absent in records of earlier versions */
  readonly warnings?: ReadonlyArray<Warning>
  /** misclassified rows of the last split, the most confident first; at most 20 */
  readonly mistakes: ReadonlyArray<Mistake>
  /** row and class counts of every split */
  readonly data: ReadonlyArray<SplitDescription>
  /** peak resident memory of the process in bytes; of several processes, that of rank 0 */
  readonly peakBytes: number
  /** number of processes that trained the run; absent: one */
  readonly processes?: number
  /** SHA-256 of the base model's weights */
  readonly base: BaseIdentity
  /** SHA-256 of each file that the run read */
  readonly inputs: Inputs
  /** SHA-256 of the adapter's files */
  readonly outputs: Inputs
  /** the plan, as written to plan.json, which may be edited afterwards */
  readonly plan: unknown
}

export interface Outcome {
  /** number of steps taken */
  readonly steps: number
  readonly stopped: Stopped | null
  readonly kept: Kept | null
  readonly baseline: Baselines
  readonly warnings: ReadonlyArray<Warning>
  /** class names; empty if rows have no classes */
  readonly labels: ReadonlyArray<string>
  readonly device: DeviceReport
  readonly peakBytes: number
  readonly stateBytes: number
  readonly rate: FoundRate | undefined
  readonly reports: ReadonlyArray<Pick<StepReport, "loss" | "milliseconds">>
  readonly before: EvaluationReport | undefined
  readonly after: {
    readonly reports: ReadonlyArray<EvaluationReport>
    /** evaluation on the rows of `before` */
    readonly sameRows: EvaluationReport | undefined
    readonly mistakes: ReadonlyArray<Mistake>
  }
}

/** Writes `run.json` and returns its contents. */
export const finishRun = (
  run: Run,
  resolved: ResolvedPlan,
  {
    steps,
    stopped,
    kept,
    baseline,
    warnings,
    labels,
    device,
    peakBytes,
    stateBytes,
    rate,
    reports,
    before,
    after
  }: Outcome
): Effect.Effect<RunReport, FileError, Sources> =>
  Effect.gen(function* () {
    const of = (split: EvaluationReport["split"]) => after.reports.find((report) => report.split === split) ?? null
    const { ranks } = resolved.selected
    const { size } = yield* Ranks
    const last = reports.slice(-Math.ceil(reports.length / 10))
    const report: RunReport = {
      name: resolved.name,
      directory: run.directory,
      adapter: run.adapter,
      labels,
      device,
      versions: versions(),
      trainable: resolved.trainable,
      ...(ranks === undefined ? {} : { ranks }),
      stateBytes,
      steps,
      planned: resolved.steps,
      ...(rate === undefined ? {} : { rate }),
      stopped,
      kept,
      seconds: reports.reduce((sum, { milliseconds }) => sum + milliseconds / 1000, 0),
      trainLoss: last.reduce((sum, { loss }) => sum + loss / last.length, 0),
      before: before ?? null,
      after: after.sameRows ?? null,
      validation: of("validation"),
      test: of("test"),
      baseline,
      warnings,
      mistakes: after.mistakes.map(({ picture: _, ...mistake }) => mistake),
      data: resolved.data.describe().map((split) => ({ classes: [], ...split })),
      peakBytes,
      ...(size === 1 ? {} : { processes: size }),
      base: yield* baseIdentity(resolved.base),
      inputs: run.inputs,
      outputs: recordOf(yield* adapterFiles(run.adapter)),
      plan: run.recordedPlan
    }
    const pictures = after.mistakes.map(({ picture = null }) => picture)
    if (pictures.some((picture) => picture !== null)) yield* writeJson(run.pictures, pictures)
    yield* writeJson(run.report, report)
    return report
  })

/** An evaluation, as a line of metrics.jsonl. */
export type EvaluationReport = Evaluation & {
  readonly kind: "evaluation"
  /** number of steps taken before it; 0: before training */
  readonly step: number
  /** split that was evaluated */
  readonly split: "validation" | "test"
}

/** A line of metrics.jsonl. */
export type MetricsRow = StepReport | DiagnosticsReport | EvaluationReport

/** Returns a function that appends a row to a metrics.jsonl file. Fails with a FileError. */
export const appendMetrics =
  (file: string) =>
  (row: MetricsRow): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* refuseLink(file)
      yield* fs.writeFileString(file, `${JSON.stringify(row)}\n`, { flag: "a" })
    }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", file)(error))))
