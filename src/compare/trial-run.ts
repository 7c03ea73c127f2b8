/**
 * One trial, run to its result: `train` in a process of its own, resumed where its folder is there already.
 *
 * A run that diverges, or that cannot start, is a result. What has nothing to do with the method is not: a process that was killed is
 * started again, a folder that another process still writes is waited for (the one that trained for a worker which was killed),
 * and what the world refuses (no space, no such file, no device) is tried again and then ends the worker, with the trial still open.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type FileError, writeJson } from "../files/index.ts"
import { kindOf } from "../kinds/index.ts"
import { lockRun } from "../output/run-lock.ts"
import { planFromValue, relocate } from "../plan/index.ts"
import { decodeReport, doneResult, failedResult, type Report } from "./outcome.ts"
import { type Ended, type Program, runOwn } from "./own-process.ts"
import type { Study, Trial, TrialResult } from "./study.ts"
import { trialPlan } from "./trial-plan.ts"

export class TrialTrouble extends Schema.TaggedError<TrialTrouble>()("TrialTrouble", {
  trial: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `trial ${this.trial} cannot be run here: ${this.reason}`
  }
}

/** Where trials are run, and with what. */
export interface Workplace {
  readonly study: Study
  /** the study's */
  readonly folder: string
  readonly program: Program
  /** of the wasm backend, for each trial; undefined: the plan's */
  readonly threads: number | undefined
}

/** What is heard of a trial while it runs. */
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

/** What `train --json` says on stdout when it fails. */
const Failure = Schema.Struct({ ok: Schema.Literal(false), error: Schema.String, message: Schema.String })
const decodeFailure = Schema.decodeUnknownOption(Schema.fromJsonString(Failure))

/** Errors that say something of the method and not of the world around it. */
const OF_THE_METHOD = ["Diverged", "InitError"]
/** Another process has the folder, or has just made it. */
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

/** Runs a trial. Fails where it cannot be run here; it is open then as it was before. */
export const runTrial = (at: Workplace, trial: Trial, heard: Heard) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const name = `runs/${trial.id}`
    const directory = path.join(at.folder, name)
    let refused = 0
    let ended = 0
    while (true) {
      const judged = yield* attempt(at, trial, directory, heard)
      switch (judged.kind) {
        case "done": {
          const { metrics } = yield* kindOf(at.study.plan)
          return yield* doneResult(metrics, trial, directory, name, judged.report)
        }
        case "failed":
          return failedResult(trial, name, judged.reason) satisfies TrialResult
        case "waits":
          yield* heard.waiting(judged.reason)
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

/** `train`, once. */
const attempt = (at: Workplace, trial: Trial, directory: string, heard: Heard) =>
  Effect.gen(function* () {
    const run = yield* Effect.result(argumentsFor(at, trial, directory))
    if (Result.isFailure(run)) {
      const { _tag, message: reason } = run.failure
      return { kind: OF_ANOTHER.includes(_tag) ? "waits" : "refused", reason } as const satisfies Judgement
    }
    const threads = at.threads === undefined ? [] : ["--threads", String(at.threads)]
    const args = ["train", ...run.success, "--json", "--device", at.study.device, ...threads]
    const ended = yield* Effect.result(runOwn(at.program, args, (line) => listen(line, heard)))
    if (Result.isFailure(ended)) return { kind: "refused", reason: ended.failure.message } as const satisfies Judgement
    return judge(ended.success)
  })

/** `step 10/80 ████░░ loss 0.512 · …`, ten times a run. */
const listen = (line: string, heard: Heard) => {
  const found = /^step +(\d+)\/(\d+) .*?loss ([\d.]+)/.exec(line)
  return found === null ? Effect.void : heard.step(Number(found[1]), Number(found[2]), Number(found[3]))
}

/** A new run, or the one that is there. A folder without a plan was killed before it had one: nothing is in it. */
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
      const problems = plan.failure.map(({ path: where, message }) => `${where}: ${message}`)
      return yield* new TrialTrouble({ trial: trial.id, reason: problems.join("\n") })
    }
    yield* fs.makeDirectory(plans, { recursive: true })
    const written: Effect.Effect<void, FileError, FileSystem.FileSystem> = writeJson(
      file,
      yield* relocate(plan.success, plans)
    )
    yield* written
    return file
  })
