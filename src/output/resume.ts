/**
 * Resumes a run, in two parts: `findRun` checks whether this folder can continue with this plan and leaves all reported data unchanged;
 * `continueRun` prepares the run, once everything else that it needs is available. The plan, the inputs and the metrics up to the checkpoint must
 * be the same.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decodeRunPlanResult, type RunPlan } from "../../schemas/index.ts"
import { cut, isRecord, listedLines } from "../boundary/index.ts"
import {
  type FileError,
  fileError,
  type GuardedFolder,
  readJsonFile,
  refuseLink,
  statRegular,
  within,
  writeFileAtomic,
  writeJson
} from "../files/index.ts"
import type { ResolvedPlan } from "../plan/index.ts"
import type { CheckpointRecord, StoredCheckpoint } from "./checkpoint-read.ts"
import { clearTemporary, newestCheckpoint, setAside } from "./checkpoints.ts"
import { adapterFiles, decidesTraining, Inputs, inputDifferences, inputsOf, recordOf } from "./inputs.ts"
import { appending, type MetricsRow, planIn, type Run, type RunEnvironment, type RunReport } from "./run.ts"
import { lockRun, type RunFolder, type RunLocked, runFolder } from "./run-folder.ts"
import { Versions, versionsNote } from "./versions.ts"

/** Error of resuming a run with a different plan or different files: every field that differs, with both values. */
export class PlanChanged extends Schema.TaggedError<PlanChanged>()("PlanChanged", {
  /** the run's folder */
  directory: Schema.String,
  /** one line per field or file: its name, the earlier value, and the current value */
  differences: Schema.Array(Schema.String)
}) {
  override get message() {
    return [
      `${this.directory} cannot be resumed: these differ from what its checkpoint was trained with; restore them or start a new run:`,
      listedLines(this.differences, (difference) => `  ${difference}`)
    ].join("\n")
  }
}

/** Error of resuming a run that has no complete checkpoint. */
export class NoCheckpoint extends Schema.TaggedError<NoCheckpoint>()("NoCheckpoint", {
  /** the run's folder */
  directory: Schema.String,
  /** number of steps that the run took */
  steps: Schema.Number
}) {
  override get message() {
    return `${this.directory} is finished after ${this.steps} steps and has no complete checkpoint to resume from; its results are unchanged. Train its plan.json as a new run, with output.keepCheckpoints set if you want to extend that run later`
  }
}

/** Fields that may differ: the length of the run, how often it evaluates and saves, and what does not change a result. */
const MAY_DIFFER = [
  "training.steps",
  "training.epochs",
  "training.evaluateEvery",
  "training.evaluateRows",
  "training.evaluateBatchSize",
  "training.stopEarly",
  "training.diagnostics",
  "training.recompute",
  "training.threads",
  "output"
]

/** Returns `path: trained with x, now y` for every field that differs and must not. */
export const planDifferences = (trained: unknown, now: unknown): ReadonlyArray<string> => {
  const differences = (before: unknown, after: unknown, path: string): ReadonlyArray<string> => {
    if (MAY_DIFFER.includes(path)) return []
    // earlier versions did not record the date that their template wrote
    if (path === "data.templateDate" && before === undefined) return []
    if (isRecord(before) && isRecord(after)) {
      const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
      return keys.flatMap((key) => differences(before[key], after[key], path === "" ? key : `${path}.${key}`))
    }
    const [was, is] = [JSON.stringify(before), JSON.stringify(after)]
    return was === is ? [] : [`${path}: trained with ${cut(was ?? "nothing")}, now ${cut(is ?? "nothing")}`]
  }
  return differences(trained, now, "")
}

/** Returns a recorded plan with the fields that were added since; unchanged if it cannot be decoded. */
const inTodaysWords = (recorded: unknown): unknown => Result.getOrElse(decodeRunPlanResult(recorded), () => recorded)

/**
 * Truncates metrics.jsonl to the rows of the first `step` steps and returns these. Later rows, including the final evaluation after `steps` steps,
 * are computed again with the same results. Also removes an incomplete last line, left by a killed process.
 */
export const cutMetrics = (
  file: string,
  step: number,
  steps: number
): Effect.Effect<ReadonlyArray<MetricsRow>, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const exists = yield* fs.exists(file).pipe(Effect.orElseSucceed(() => false))
    if (exists) yield* statRegular(file)
    const text = exists ? yield* fs.readFileString(file).pipe(Effect.mapError(fileError("read", file))) : ""
    const rows = text.split("\n").flatMap((line): ReadonlyArray<MetricsRow> => {
      const row = parsed(line)
      if (row === undefined || row.step > step) return []
      return row.kind === "evaluation" && row.step > 0 && row.step >= steps ? [] : [row]
    })
    yield* writeFileAtomic(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""))
    return rows
  })

const parsed = (line: string): MetricsRow | undefined => {
  try {
    const row: unknown = JSON.parse(line)
    return isRecord(row) && typeof row["step"] === "number" ? (row as unknown as MetricsRow) : undefined
  } catch {
    return undefined
  }
}

/** A run that can be resumed. */
export interface FoundRun extends RunFolder {
  /** guard through which every file in the folder is written */
  readonly guard: GuardedFolder
  /** name of the run, from its checkpoint if there is one */
  readonly name: string
  /** contents of its plan.json, decoded */
  readonly recordedPlan: RunPlan
  /** SHA-256 of each file that the run read */
  readonly inputs: Inputs
  /** newest intact checkpoint; null: no checkpoint is intact, and the run starts at its first step */
  readonly checkpoint: StoredCheckpoint | null
  /** contents of run.json if all steps are complete and no work remains; else null */
  readonly finished: RunReport | null
}

type Notice = (message: string) => Effect.Effect<void>

/**
 * Locks the folder, finds its newest intact checkpoint, and compares the run with the plan. Calls `notice` with damaged checkpoints. Fails if the
 * plan or an input file differs from that of the training.
 */
export const findRun = (
  resolved: ResolvedPlan,
  directory: string,
  notice: Notice
): Effect.Effect<FoundRun, PlanChanged | NoCheckpoint | RunLocked | FileError, RunEnvironment> =>
  Effect.gen(function* () {
    const folder = yield* runFolder(directory)
    const guard = yield* lockRun(directory)
    yield* clearTemporary([folder.checkpoints, folder.adapter], directory).pipe(within(guard))
    const newest = yield* newestCheckpoint(folder.checkpoints)
    const { checkpoint, damaged } = newest
    const recordedPlan = yield* planIn(resolved, directory)
    const report = yield* reportIn(folder)
    const record = checkpoint?.record ?? recordIn(report)
    const inputs = yield* inputsOf(resolved, record?.inputs)
    if (record !== undefined) {
      const differences = [
        ...planDifferences(inTodaysWords(record.plan), recordedPlan),
        ...inputDifferences(record.inputs, inputs, decidesTraining),
        ...tooFewSteps(record.step, resolved)
      ]
      if (differences.length > 0) return yield* new PlanChanged({ directory, differences })
      yield* Effect.forEach(versionsNote(directory, record.versions), notice)
    }
    const instead = checkpoint === null ? "there is no earlier one" : "resuming from the one before it"
    yield* Effect.forEach(damaged, ({ message }) => notice(`${message}; ${instead}`))
    yield* setAside(newest).pipe(within(guard))
    const finished = report !== null && isDone(report, resolved) ? report : null
    if (checkpoint === null && report !== null && finished === null) {
      return yield* new NoCheckpoint({ directory, steps: report.steps })
    }
    // what training would end with is said before it begins
    if (finished === null) yield* Effect.forEach([folder.metrics, folder.checkpoints, folder.adapter], refuseLink)
    const name = checkpoint?.record.name ?? resolved.name
    return { ...folder, guard, name, recordedPlan, inputs: recordOf(inputs), checkpoint, finished }
  })

/** Returns whether all planned steps were taken, or the run stopped early by a rule that the plan still has. */
const isDone = (
  { steps, planned = steps, stopped = null, plan }: Partial<RunReport>,
  resolved: ResolvedPlan
): boolean => {
  if (planned !== resolved.steps) return false
  if (stopped === null) return true
  const { stopEarly } = ((plan as RunPlan | undefined)?.training ?? {}) as Partial<RunPlan["training"]>
  return JSON.stringify(stopEarly) === JSON.stringify(resolved.plan.training.stopEarly)
}

const tooFewSteps = (trained: number, { plan, steps }: ResolvedPlan): ReadonlyArray<string> => {
  if (trained <= steps) return []
  const field = plan.training.steps === undefined ? "training.epochs" : "training.steps"
  return [`${field}: ${trained} steps are already trained, but the plan now asks for ${steps}`]
}

/** Values that records of earlier versions do not contain. */
const UNKNOWN = { stopped: null, kept: null, after: null, baseline: { validation: null, test: null } } as const

/** Reads run.json of a finished run. It is written last, so it vouches for the adapter. */
const reportIn = (folder: RunFolder): Effect.Effect<RunReport | null, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const exists = (file: string) => fs.exists(file).pipe(Effect.orElseSucceed(() => false))
    if (!(yield* exists(folder.adapter)) || !(yield* exists(folder.report))) return null
    yield* statRegular(folder.report)
    const report = (yield* readJsonFile(folder.report).pipe(Effect.orElseSucceed(() => null))) as RunReport | null
    if (!isRecord(report) || typeof report.steps !== "number") return null
    // the paths as the user names them now
    const { directory, adapter } = folder
    return { ...UNKNOWN, ...report, planned: report.planned ?? report.steps, directory, adapter }
  })

const ReportedRun = Schema.Struct({
  steps: Schema.Int,
  plan: Schema.Unknown,
  inputs: Inputs,
  versions: Schema.optionalKey(Versions)
})
const decodeReported = Schema.decodeUnknownOption(ReportedRun)

/** Returns the trained plan and inputs from run.json if no checkpoint has them. Records of earlier versions do not contain them. */
const recordIn = (
  report: RunReport | null
): Pick<CheckpointRecord, "step" | "plan" | "inputs" | "versions"> | undefined => {
  const decoded = Option.getOrUndefined(decodeReported(report))
  if (decoded === undefined) return undefined
  const { steps: step, ...rest } = decoded
  return { step, ...rest }
}

/** Returns whether the adapter's files match the hashes in run.json. */
export const isAsReported = ({ adapter }: RunFolder, { outputs }: RunReport) =>
  adapterFiles(adapter).pipe(
    Effect.map((files) => JSON.stringify(recordOf(files)) === JSON.stringify(outputs)),
    Effect.orElseSucceed(() => false)
  )

/** Prepares a run for resuming: writes the plan again and truncates the metrics to the checkpoint's step. */
export const continueRun = (
  { finished: _, ...previousRun }: FoundRun,
  { steps }: ResolvedPlan,
  notice: Notice
): Effect.Effect<Run, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const step = previousRun.checkpoint?.record.step ?? 0
    yield* notice(step === 0 ? "no complete checkpoint: starting at the first step" : `resumes after step ${step}`)
    yield* writeJson(previousRun.plan, previousRun.recordedPlan)
    // without a checkpoint nothing vouches for the plan that the rows were made with
    const history = yield* cutMetrics(previousRun.metrics, previousRun.checkpoint === null ? -1 : step, steps)
    const missing = step - history.filter(({ kind }) => kind === "step").length
    if (missing > 0) yield* notice(`warning: ${previousRun.metrics} lacks ${missing} of the ${step} steps so far`)
    const append = yield* appending(previousRun, previousRun.recordedPlan, step, history)
    return { ...previousRun, append, history }
  }).pipe(within(previousRun.guard))
