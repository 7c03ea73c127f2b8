/**
 * A run on disk: `plan.json` when it starts, a line of `metrics.jsonl` for everything it reports, `run.json` when it is done.
 *
 * `metrics.jsonl` has one JSON object a line, in the order things happened, appended line by line, so that a run that ends early has
 * reported what it did:
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

/** A run's folder that is open for writing. */
export interface Run extends RunFolder {
  /** by which everything in it is written */
  readonly guard: GuardedFolder
  /** of the plan it started from */
  readonly name: string
  /** the plan as plan.json says it */
  readonly written: unknown
  /** the files it reads, by content */
  readonly inputs: Inputs
  /** Adds a line to metrics.jsonl. */
  readonly append: (row: MetricsRow) => Effect.Effect<void, FileError, FileSystem.FileSystem>
  /** what was reported before this process resumed the run; empty for a new run */
  readonly history: ReadonlyArray<MetricsRow>
  /** where a resumed run continues; null: at its first step */
  readonly checkpoint: StoredCheckpoint | null
}

export type RunEnvironment = Sources | Scope.Scope

/** Creates the run folder and writes the plan with every default filled in: training that plan again repeats the run. */
export const openRun = (
  resolved: ResolvedPlan,
  directory: string | undefined
): Effect.Effect<Run, RunFolderExists | RunLocked | FileError, RunEnvironment> =>
  Effect.gen(function* () {
    const inputs = recordOf(yield* inputsOf(resolved))
    const folder = yield* createRunFolder(directory ?? resolved.plan.output.directory, resolved.name)
    const guard = yield* lockRun(folder.directory)
    const written = yield* planIn(resolved, folder.directory)
    yield* keepTemplate(resolved.plan, folder).pipe(within(guard))
    yield* writeJson(folder.plan, written).pipe(within(guard))
    const { name } = resolved
    const append = yield* appending(folder, written, 0, []).pipe(within(guard))
    return { ...folder, guard, name, written, inputs, append, history: [], checkpoint: null }
  })

/** How a row is reported: to metrics.jsonl, and to TensorBoard where the plan asks for it. */
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

/** The plan as a run folder has it: inputs relative to it, the folder itself not named; keys in the order of the schema. */
export const planIn = (
  { plan }: Pick<ResolvedPlan, "plan">,
  directory: string
): Effect.Effect<RunPlan, never, Path.Path> =>
  Effect.map(relocate(plan, directory), ({ $schema: _, output: { directory: __, ...output }, data, ...sections }) => {
    const own = templateOf(plan) === undefined ? data : { ...data, chatTemplate: CHAT_TEMPLATE }
    return Schema.decodeUnknownSync(RunPlan)({ ...sections, data: own, output })
  })

/** The file of the chat template that a plan chooses. */
const templateOf = ({ data }: Pick<RunPlan, "data">): string | undefined =>
  "chatTemplate" in data ? data.chatTemplate : undefined

/** The run has the template that it was trained with, whatever becomes of the plan's. */
const keepTemplate = (plan: RunPlan, { template }: RunFolder) =>
  Effect.gen(function* () {
    const file = templateOf(plan)
    if (file === undefined) return
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.readFileString(file).pipe(Effect.mapError(fileError("read", file)))
    yield* writeFileAtomic(template, text)
  })

/** What the device says of itself; kept as it is. */
type DeviceReport = object

/** What run.json says of a finished run: where it trained, what it reached, and what it kept. */
export interface RunReport {
  /** what the run is called */
  readonly name: string
  /** the run's folder, as given */
  readonly directory: string
  /** the adapter's folder */
  readonly adapter: string
  /** class names in the order of the logits; none where there are no classes */
  readonly labels: ReadonlyArray<string>
  /** where it was trained */
  readonly device: DeviceReport
  /** of this package, tfjs, effect and the runtime */
  readonly versions: Versions
  /** how many numbers were trained, of how many */
  readonly trainable: ResolvedPlan["trainable"]
  /** what the init decided, a rank for each layer that was selected; absent: they are the plan's */
  readonly ranks?: SiteRanks
  /** of the optimizer's tensors after the last step; records of before do not have it */
  readonly stateBytes?: number
  /** that were taken */
  readonly steps: number
  /** by the plan */
  readonly planned: number
  /** that was found, where the plan left it to the run */
  readonly rate?: FoundRate
  /** why fewer were taken; null: all were */
  readonly stopped: Stopped | null
  /** which state the adapter is, where it was chosen by evaluations; null: the last */
  readonly kept: Kept | null
  /** of training alone: the steps, without evaluations */
  readonly seconds: number
  /** mean loss of the last tenth of the steps */
  readonly trainLoss: number
  /** before training, on the first rows of the split that the end is judged by */
  readonly before: EvaluationReport | null
  /** after training, on the same rows */
  readonly after: EvaluationReport | null
  /** at the end, on all rows of the validation split; null: there is none */
  readonly validation: EvaluationReport | null
  /** at the end, on all rows of the test split; null: there is none */
  readonly test: EvaluationReport | null
  /** baselines of these splits; null if the baseline is the model before training */
  readonly baseline: Baselines
  /** of a run that learned nothing: what was seen, and what to change; records of before do not have it */
  readonly warnings?: ReadonlyArray<Warning>
  /** on the last split, the most confident first; 20 at most */
  readonly mistakes: ReadonlyArray<Mistake>
  /** rows and classes of every split */
  readonly data: ReadonlyArray<SplitDescription>
  /** largest resident memory of the process, of several that of rank 0 */
  readonly peakBytes: number
  /** in which it was trained; absent: in one */
  readonly processes?: number
  /** the base model's weights, by content */
  readonly base: BaseIdentity
  /** the files that it read, by content */
  readonly inputs: Inputs
  /** the adapter that it left, by content */
  readonly outputs: Inputs
  /** as plan.json says it, which may be edited afterwards */
  readonly plan: unknown
}

export interface Outcome {
  /** steps that were taken */
  readonly steps: number
  readonly stopped: Stopped | null
  readonly kept: Kept | null
  readonly baseline: Baselines
  readonly warnings: ReadonlyArray<Warning>
  /** class names; none where rows have no classes */
  readonly labels: ReadonlyArray<string>
  readonly device: DeviceReport
  readonly peakBytes: number
  readonly stateBytes: number
  readonly rate: FoundRate | undefined
  readonly reports: ReadonlyArray<Pick<StepReport, "loss" | "milliseconds">>
  readonly before: EvaluationReport | undefined
  readonly after: {
    readonly reports: ReadonlyArray<EvaluationReport>
    /** on the rows of `before` */
    readonly sameRows: EvaluationReport | undefined
    readonly mistakes: ReadonlyArray<Mistake>
  }
}

/** Writes `run.json` and returns what it says. */
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
      plan: run.written
    }
    const pictures = after.mistakes.map(({ picture = null }) => picture)
    if (pictures.some((picture) => picture !== null)) yield* writeJson(run.pictures, pictures)
    yield* writeJson(run.report, report)
    return report
  })

/** An evaluation as metrics.jsonl has it. */
export type EvaluationReport = Evaluation & {
  readonly kind: "evaluation"
  /** steps taken before it; 0 is the untrained head */
  readonly step: number
  /** the rows that were evaluated */
  readonly split: "validation" | "test"
}

/** A line of the file. */
export type MetricsRow = StepReport | DiagnosticsReport | EvaluationReport

/** Adds a row to a run's metrics.jsonl. Fails with a FileError. */
export const appendMetrics =
  (file: string) =>
  (row: MetricsRow): Effect.Effect<void, FileError, FileSystem.FileSystem> =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* refuseLink(file)
      yield* fs.writeFileString(file, `${JSON.stringify(row)}\n`, { flag: "a" })
    }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", file)(error))))
