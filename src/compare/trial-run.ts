/**
 * Runs one trial to its result: `train` in a separate process, or in several; resumes an existing run folder.
 *
 * A run that diverges, or that cannot start because of the method, is a result. Causes outside of the method are not: a killed process is
 * started again, a folder that another process writes is waited for (a killed worker leaves its trial's process behind), and an error of
 * the environment (no space, no such file, no device) is retried, then ends the worker and leaves the trial open.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { listed, listedLines } from "../boundary/index.ts"
import { type FileError, statRegular, writeJson } from "../files/index.ts"
import { kindOf } from "../kinds/index.ts"
import { Inputs, lockRun, runFolder } from "../output/index.ts"
import { planFromValue, relocate } from "../plan/index.ts"
import { type Metrics, scoreOf } from "../training/index.ts"
import { asRanks, type Ended, type Program, runOwn } from "./own-process.ts"
import { Baselines, type Discrepancy, type Score, type Study, type Trial, type TrialResult } from "./study.ts"
import { trialPlan } from "./trials.ts"
import { median } from "./verdict/statistics.ts"

export class TrialTrouble extends Schema.TaggedError<TrialTrouble>()("TrialTrouble", {
  trial: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `trial ${this.trial} cannot be run here: ${this.reason}`
  }
}

/** Environment in which trials run. */
export interface Workplace {
  readonly study: Study
  /** the study's folder */
  readonly folder: string
  readonly program: Program
  /** threads of the wasm backend for each trial; undefined: the plan's */
  readonly threads: number | undefined
  /** number of processes of each trial */
  readonly ranks: number
}

/** Callbacks for the progress of a running trial. */
export interface Heard {
  readonly step: (step: number, steps: number, loss: number | null) => Effect.Effect<void>
  readonly waiting: (why: string) => Effect.Effect<void>
}

type Judgement =
  | { readonly kind: "done"; readonly report: Report }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "waits"; readonly reason: string }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "ended"; readonly reason: string }

/** Output of `train --json` on stdout when it fails. */
const Failure = Schema.Struct({ ok: Schema.Literal(false), error: Schema.String, message: Schema.String })
const decodeFailure = Schema.decodeUnknownOption(Schema.fromJsonString(Failure))

/** Errors caused by the method, not by its environment. */
const OF_THE_METHOD = ["Diverged", "InitError"]
/** Errors caused by another process that has the folder, or has just created it. */
const OF_ANOTHER = ["RunLocked", "RunFolderExists"]

const judge = ({ code, stdout, stderr }: Ended): Judgement => {
  const last = stdout.trimEnd().split("\n").at(-1) ?? ""
  const report = code === 0 ? decodeReport(last) : undefined
  if (report?._tag === "Some") return { kind: "done", report: report.value }
  const failure = decodeFailure(last)
  if (failure._tag === "Some") {
    const { error, message: reason } = failure.value
    if (OF_THE_METHOD.includes(error)) return { kind: "failed", reason }
    return { kind: OF_ANOTHER.includes(error) ? "waits" : "refused", reason }
  }
  const how = code === null ? "by a signal" : `with exit code ${code}`
  return { kind: "ended", reason: [`its process ended ${how}`, ...stderr.slice(-5)].join("\n") }
}

const REFUSALS = 3
const ENDS = 5

/** Runs a trial. If it cannot run here, fails and leaves the trial open. */
export const runTrial = (at: Workplace, trial: Trial, listener: Heard) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const name = `runs/${trial.id}`
    const directory = path.join(at.folder, name)
    const seconds = Effect.map(Clock.currentTimeMillis, (now) => now / 1000)
    const began = yield* seconds
    const timed = (result: TrialResult) => Effect.map(seconds, (ended): TrialResult => ({ ...result, began, ended }))
    let refused = 0
    let ended = 0
    while (true) {
      const judged = yield* attempt(at, trial, directory, listener)
      switch (judged.kind) {
        case "done": {
          yield* checkInputs(at.study, trial, judged.report)
          const { metrics } = yield* kindOf(at.study.plan)
          return yield* timed(yield* doneResult(metrics, trial, directory, name, judged.report))
        }
        case "failed":
          return yield* timed(failedResult(trial, name, judged.reason))
        case "waits":
          yield* listener.waiting(judged.reason)
          break
        case "refused":
          if (++refused >= REFUSALS) return yield* new TrialTrouble({ trial: trial.id, reason: judged.reason })
          break
        case "ended":
          if (++ended >= ENDS) {
            return yield* new TrialTrouble({ trial: trial.id, reason: `${judged.reason}\n(${ended} times in a row)` })
          }
      }
      yield* Effect.sleep("1 second")
    }
  })

/** Fails if the inputs differ: workers on other machines have their own files, and trials over different files are not comparable. */
const checkInputs = ({ inputs: expected = {} }: Study, trial: Trial, { inputs: read = {} }: Report) => {
  const changed = Object.keys(expected).filter((name) => Object.hasOwn(read, name) && read[name] !== expected[name])
  if (changed.length === 0) return Effect.void
  const reason = `it was trained with different files than study.json lists: ${listed(changed).join(", ")}`
  return Effect.fail(new TrialTrouble({ trial: trial.id, reason }))
}

/** Runs `train` once. */
const attempt = (at: Workplace, trial: Trial, directory: string, listener: Heard) =>
  Effect.gen(function* () {
    const run = yield* Effect.result(argumentsFor(at, trial, directory))
    if (Result.isFailure(run)) {
      const { _tag, message: reason } = run.failure
      return { kind: OF_ANOTHER.includes(_tag) ? "waits" : "refused", reason } as const satisfies Judgement
    }
    const threads = at.threads === undefined ? [] : ["--threads", String(at.threads)]
    const args = ["train", ...run.success, "--json", "--device", at.study.device, ...threads]
    const ended = yield* Effect.result(runOwn(asRanks(at.program, at.ranks), args, (line) => listen(line, listener)))
    if (Result.isFailure(ended)) return { kind: "refused", reason: ended.failure.message } as const satisfies Judgement
    return judge(ended.success)
  })

/** Parses a progress line of `train`, `step 10/80 ████░░ loss 0.512 · …`; a run prints ten of them. */
const listen = (line: string, listener: Heard) => {
  const match = /^step +(\d+)\/(\d+) .*?loss ([\d.]+)/.exec(line)
  return match === null ? Effect.void : listener.step(Number(match[1]), Number(match[2]), Number(match[3]))
}

/** Returns the arguments for a new run or an existing one. A run that was killed before it had a plan left an empty folder. */
const argumentsFor = (at: Workplace, trial: Trial, directory: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (yield* fs.exists(path.join(directory, "plan.json"))) return ["--resume", directory]
    if (yield* fs.exists(directory)) {
      yield* Effect.scoped(Effect.andThen(lockRun(directory), fs.remove(directory, { recursive: true })))
    }
    return [yield* writePlan(at, trial), "--out", directory]
  })

const writePlan = ({ study, folder }: Workplace, trial: Trial) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const plans = path.join(folder, "plans")
    const file = path.join(plans, `${trial.id}.json`)
    const plan = trialPlan(yield* planFromValue(study.plan, folder), trial)
    if (Result.isFailure(plan)) {
      const reason = listedLines(plan.failure, ({ path: where, message }) => `${where}: ${message}`)
      return yield* new TrialTrouble({ trial: trial.id, reason })
    }
    yield* fs.makeDirectory(plans, { recursive: true })
    const writePlan: Effect.Effect<void, FileError, FileSystem.FileSystem> = writeJson(
      file,
      yield* relocate(plan.success, plans)
    )
    yield* writePlan
    return file
  })

const Evaluation = Schema.StructWithRest(Schema.Struct({ rows: Schema.Int, loss: Schema.NullOr(Schema.Finite) }), [
  Schema.Record(Schema.String, Schema.Unknown)
])

/** The fields of run.json used here, as `train --json` prints it. */
const Report = Schema.Struct({
  validation: Schema.NullOr(Evaluation),
  test: Schema.NullOr(Evaluation),
  baseline: Schema.optionalKey(Baselines),
  before: Schema.optionalKey(Schema.NullOr(Evaluation)),
  after: Schema.optionalKey(Schema.NullOr(Evaluation)),
  trainLoss: Schema.NullOr(Schema.Finite),
  seconds: Schema.Finite,
  peakBytes: Schema.Finite,
  warnings: Schema.optionalKey(Schema.Array(Schema.Struct({ says: Schema.String }))),
  trainable: Schema.Struct({ total: Schema.Int }),
  stateBytes: Schema.optionalKey(Schema.Int),
  steps: Schema.Int,
  device: Schema.Record(Schema.String, Schema.Unknown),
  inputs: Schema.optionalKey(Inputs)
})

const decodeReport = Schema.decodeUnknownOption(Schema.fromJsonString(Report))
export type Report = typeof Report.Type

/** Returns the result of a finished run. `directory`: relative to this process; `name`: relative to the study's folder. */
const doneResult = (metrics: Metrics, trial: Trial, directory: string, name: string, report: Report) =>
  Effect.gen(function* () {
    const folder = yield* runFolder(directory)
    const { trainable, inputs: _, stateBytes = null, before = null, after = null, warnings, ...numbers } = report
    const lines = yield* linesOf(folder.metrics)
    const discrepancy = discrepancyIn(lines)
    const result: TrialResult = {
      trial,
      directory: name,
      status: "done",
      ...numbers,
      stepSeconds: stepSecondsIn(lines),
      ...(warnings === undefined ? {} : { learnedNothing: warnings.map(({ says }) => says) }),
      before: scoresIn(before, metrics),
      after: scoresIn(after, metrics),
      validation: scoresIn(report.validation, metrics),
      test: scoresIn(report.test, metrics),
      trainable: trainable.total,
      stateBytes,
      ...(discrepancy === undefined ? {} : { discrepancy })
    }
    return result
  })

/** Returns the metrics of an evaluation. */
const scoresIn = (evaluation: Report["test"], metrics: Metrics): Score | null => {
  if (evaluation === null) return null
  const { rows, loss } = evaluation
  return { ...Object.fromEntries(Object.keys(metrics).map((name) => [name, scoreOf(evaluation, name)])), rows, loss }
}

export const failedResult = (trial: Trial, name: string, reason: string): TrialResult => ({
  trial,
  directory: name,
  status: "failed",
  reason,
  validation: null,
  test: null,
  trainLoss: null,
  seconds: null,
  peakBytes: null,
  trainable: null,
  stateBytes: null,
  steps: null,
  device: null
})

const Near = Schema.Struct({ discrepancy: Schema.NullOr(Schema.Finite) })
const Probe = Schema.Struct({
  kind: Schema.Literal("diagnostics"),
  mean: Schema.Struct({ method: Near, best: Near })
})
const decodeProbe = Schema.decodeUnknownOption(Schema.fromJsonString(Probe))

/** Reads the rows that a run reported, one per line. */
const linesOf = (metrics: string): Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* Effect.andThen(statRegular(metrics), fs.readFileString(metrics)).pipe(
      Effect.orElseSucceed(() => "")
    )
    return text.split("\n")
  })

/** Returns the mean over the probes that have both values; undefined if no probe has both. */
const discrepancyIn = (lines: ReadonlyArray<string>): Discrepancy | undefined => {
  const probes = lines.flatMap((line) => {
    const probe = decodeProbe(line)
    if (probe._tag === "None") return []
    const { method, best } = probe.value.mean
    return method.discrepancy === null || best.discrepancy === null
      ? []
      : [{ method: method.discrepancy, best: best.discrepancy }]
  })
  if (probes.length === 0) return undefined
  const mean = (key: keyof Discrepancy) => probes.reduce((sum, probe) => sum + probe[key] / probes.length, 0)
  return { method: mean("method"), best: mean("best") }
}

const Step = Schema.Struct({ kind: Schema.Literal("step"), milliseconds: Schema.Finite })
const decodeStep = Schema.decodeUnknownOption(Schema.fromJsonString(Step))

/** Returns the median time of a step: the first step includes preparation, and a busy machine delays some. */
const stepSecondsIn = (lines: ReadonlyArray<string>): number | null =>
  median(
    lines.flatMap((line) => {
      const step = decodeStep(line)
      return step._tag === "None" ? [] : [step.value.milliseconds / 1000]
    })
  )
