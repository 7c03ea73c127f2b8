/**
 * Checks that a finished run is used as it was trained: compares its run.json with the current files.
 *
 *   plan.json (model, data, adapter, seed)                    error if it differs
 *   weights, config, tokenizer, chat template, topology       error if one differs
 *   generation_config.json                                    notice: it decides where texts end, and training did not use it
 *   rows                                                      notice when they are evaluated
 *   versions                                                  notice
 *   the adapter of the run                                    notice: run.json describes another one
 *
 * Anything that an older run did not record is not compared.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { SiteRanks } from "../../adapters/index.ts"
import { decodeRunPlanResult, type RunPlan } from "../../schemas/index.ts"
import { listedLines } from "../boundary/index.ts"
import { readJsonFile } from "../files/index.ts"
import {
  adapterFiles,
  dataInputs,
  decidesTraining,
  fromInputs,
  GENERATION_INPUT,
  Inputs,
  inputDifferences,
  modelInputs,
  planDifferences,
  planIn,
  Ranks,
  type RunFolder,
  Versions,
  versionsNote
} from "../output/index.ts"
import { fromOf, type Splits } from "../plan/index.ts"
import { notice } from "../run/index.ts"

/** Error of a run that cannot be used: its folder is not a finished run, or its weights or files have changed. */
export class RunError extends Schema.TaggedError<RunError>()("RunError", {
  /** folder of the run */
  directory: Schema.String,
  /** what is wrong and what to do, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `${this.directory}: ${this.reason}`
  }
}

/** The fields of run.json that are checked. */
const RunRecord = Schema.Struct({
  steps: Schema.Int,
  kept: Schema.optionalKey(Schema.NullOr(Schema.Struct({ step: Schema.Int }))),
  ranks: Schema.optionalKey(Ranks),
  base: Schema.Struct({ sha256: Schema.Record(Schema.String, Schema.String) }),
  inputs: Schema.optionalKey(Inputs),
  outputs: Schema.optionalKey(Inputs),
  plan: Schema.optionalKey(Schema.Unknown),
  versions: Schema.optionalKey(Versions)
})

export interface RunRecord {
  /** number of steps that the adapter was trained for */
  readonly steps: number
  /** ranks that the init decided */
  readonly ranks?: SiteRanks
  readonly inputs: Inputs
  readonly outputs?: Inputs
  readonly plan?: unknown
  readonly versions?: Versions
}

export const readRecord = ({ directory, report }: RunFolder) =>
  Effect.gen(function* () {
    const failed = (reason: string) => new RunError({ directory, reason: `run.json ${reason}` })
    const json = yield* readJsonFile(report).pipe(Effect.mapError(({ reason }) => failed(reason)))
    const { base, kept, steps, ...record } = yield* Schema.decodeUnknownEffect(RunRecord)(json).pipe(
      Effect.mapError(({ message }) =>
        failed(`does not say how the run was made (steps, base.sha256): ${message.split("\n")[0]}`)
      )
    )
    const weights = Object.entries(base.sha256).map(([name, hash]) => [`model/${name}`, hash])
    const read: RunRecord = {
      ...record,
      steps: kept?.step ?? steps,
      inputs: { ...Object.fromEntries(weights), ...record.inputs }
    }
    return read
  })

const failed = (directory: string, reason: string, differences: ReadonlyArray<string>) =>
  Effect.fail(
    new RunError({
      directory,
      reason: [reason, listedLines(differences, (difference) => `  ${difference}`)].join("\n")
    })
  )

/**
 * Returns the parts of a plan that determine the outputs of a trained model: neither the paths of its files, which may have moved, nor how
 * it was trained.
 */
const decisive = ({ seed, model, data, adapter }: RunPlan) => {
  const { source: _, ...task } = model
  const rows = Object.entries(data).filter(([key, value]) => !(splits.includes(key) && typeof value === "string"))
  return { seed, model: task, data: Object.fromEntries(rows), adapter }
}
// paths of files; the record has hashes of their contents
const splits = ["train", "validation", "test", "folder"]

/** Fails if plan.json was edited so that it describes another run. */
export const checkPlan = (directory: string, { plan: recorded }: RunRecord, plan: RunPlan) =>
  Effect.gen(function* () {
    const trained = decodeRunPlanResult(recorded)
    if (Result.isFailure(trained)) return
    const differences = planDifferences(decisive(trained.success), decisive(yield* planIn({ plan }, directory)))
    if (differences.length > 0) {
      yield* failed(
        directory,
        "its plan.json has changed since training; restore it, or train it as a new run:",
        differences
      )
    }
  })

/** Fails if the model is not the run's; reports other differences. */
export const checkModel = (directory: string, { inputs, versions }: RunRecord, source: string) =>
  Effect.gen(function* () {
    const now = yield* modelInputs(source, inputs)
    const isModel = (name: string) => name.startsWith("model/") && decidesTraining(name)
    const differences = inputDifferences(inputs, now, isModel)
    if (differences.length > 0) {
      const reason = `${source} is not the base model of this run; restore it, or pass the right one with --base DIR:`
      yield* failed(directory, reason, differences)
    }
    const generation = inputDifferences(inputs, now, (name) => name === GENERATION_INPUT)
    const notes = generation.map((difference) => `note: ${difference}: generated texts may end at other places`)
    yield* notices([...notes, ...versionsNote(directory, versions)])
  })

/**
 * Reports if the adapter that the run was initialized from has changed; fails if it is needed again. Files that are not in a folder of this
 * computer are checked only in that case.
 */
export const checkBeginning = (directory: string, { inputs }: RunRecord, plan: RunPlan, isNeeded: boolean) =>
  Effect.gen(function* () {
    const from = fromOf(plan)
    if (from === undefined || (/^hf:/.test(from) && !isNeeded)) return
    const differences = inputDifferences(inputs, yield* fromInputs(plan, inputs), (name) =>
      name.startsWith("adapter.from/")
    )
    if (differences.length === 0) return
    if (isNeeded)
      yield* failed(directory, `${from} is not the adapter that this run started from; restore it:`, differences)
    yield* notices(differences.map((difference) => `note: ${difference}: the run started from the earlier version`))
  })

/** Reports if the adapter is not the one that the run saved. */
export const compareAdapter = ({ adapter }: RunFolder, { outputs }: RunRecord) =>
  Effect.gen(function* () {
    if (outputs === undefined) return
    const differences = inputDifferences(outputs, yield* adapterFiles(adapter), () => true)
    yield* notices(differences.map((difference) => `note: ${difference}: run.json describes the adapter as trained`))
  })

/** Reports which rows to be evaluated differ from those that the run read. */
export const compareRows = (inputs: Inputs, plan: RunPlan, splits: Splits) =>
  Effect.gen(function* () {
    // a held-out share changes with the training rows
    const validation = typeof plan.data.validation === "number" ? "data.train" : "data.validation"
    const bears = (name: string) =>
      [validation, "data.test"].some((field) => name === field || name === `${field}.images`)
    const differences = inputDifferences(inputs, yield* dataInputs(plan, splits), bears)
    yield* notices(
      differences.map((difference) => `note: ${difference}: its numbers are not comparable with run.json's`)
    )
  })

const notices = (messages: ReadonlyArray<string>) => Effect.forEach(messages, notice, { discard: true })
