/**
 * A trained run, ready to be used: `loadRun("runs/movies-1").predict(["a fine film"])`.
 *
 * Reads the run's own plan.json, the base it names (or another copy of it), and the adapter folder.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { Adapted } from "../adapters/index.ts"
import type { RunPlan } from "../schemas/index.ts"
import { padBatch } from "./data/index.ts"
import { Device, ofDevice } from "./device/index.ts"
import { describe, loadDescribed } from "./models/index.ts"
import { baseIdentity, restoreAdapter, runFolder } from "./output/index.ts"
import { injectToRestore, loadOptionsOf, readPlan, selectSites } from "./plan/index.ts"
import { logitsOf } from "./training/index.ts"

export class RunError extends Schema.TaggedError<RunError>()("RunError", {
  directory: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.directory}: ${this.reason}`
  }
}

export interface Prediction {
  readonly text: string
  readonly label: string
  /** label → logit */
  readonly logits: Readonly<Record<string, number>>
}

export interface LoadedRun {
  readonly plan: RunPlan
  readonly adapted: Adapted
  /** steps it was trained for */
  readonly steps: number
  /** One prediction per text, in their order. */
  readonly predict: (texts: ReadonlyArray<string>) => ReturnType<typeof predictWith>
}

/** Loads a run. `base`: where the base model is now, if it has moved. The model lives as long as the scope. */
export const loadRun = (directory: string, options: { readonly base?: string | undefined } = {}) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* runFolder(directory)
    for (const file of [folder.plan, folder.report]) {
      if (yield* fs.exists(file).pipe(Effect.orElseSucceed(() => false))) continue
      const reason = `${path.basename(file)} is missing; expected the folder of a finished run, such as runs/<name>-1`
      return yield* new RunError({ directory, reason })
    }
    const { plan: written } = yield* readPlan(folder.plan)
    const source = options.base === undefined ? written.model.source : path.resolve(options.base)
    const plan: RunPlan = { ...written, model: { ...written.model, source } }
    const description = yield* describe(source, { ...plan.model.task, labels: plan.data.labels })
    const record = yield* readRecord(directory, folder.report)
    yield* checkBase(directory, record.base.sha256, source)
    const selected = yield* Effect.fromResult(selectSites(plan, description))
    const model = yield* loadDescribed(description, loadOptionsOf({ plan, selected }))
    const adapted = yield* injectToRestore(model, { plan, selected })
    yield* restoreAdapter(adapted, folder.adapter)
    const { steps } = record
    const run: LoadedRun = { plan, adapted, steps, predict: (texts) => predictWith(adapted, plan, texts) }
    return run
  }).pipe(ofDevice)

/** What of run.json is needed again. */
const RunRecord = Schema.fromJsonString(
  Schema.Struct({
    steps: Schema.Int,
    base: Schema.Struct({ sha256: Schema.Record(Schema.String, Schema.String) })
  })
)

const readRecord = (directory: string, report: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* Schema.decodeUnknownEffect(RunRecord)(yield* fs.readFileString(report))
  }).pipe(
    Effect.mapError(({ message }) => {
      const reason = `run.json does not say how the run was made (steps, base.sha256): ${message.split("\n")[0]}`
      return new RunError({ directory, reason })
    })
  )

/** An adapter over other weights answers nonsense without complaint; so the weights' hashes are compared. */
const checkBase = (directory: string, recorded: Readonly<Record<string, string>>, source: string) =>
  Effect.gen(function* () {
    const { sha256 } = yield* baseIdentity(source)
    const names = [...new Set([...Object.keys(sha256), ...Object.keys(recorded)])].sort()
    const other = names.filter((name) => sha256[name] !== recorded[name])
    if (other.length === 0) return
    const reason = `${other.join(", ")} in ${source} is not what this run was trained on (SHA-256 differs); give the right base with --base DIR`
    return yield* new RunError({ directory, reason })
  })

const predictWith = (adapted: Adapted, plan: RunPlan, texts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { padMultiple } = yield* Device
    const { model } = adapted
    const maxLength = Math.min(plan.data.maxLength, model.maxLength)
    const predictions: Array<Prediction> = []
    const size = plan.training.evaluateBatchSize
    for (let start = 0; start < texts.length; start += size) {
      const some = texts.slice(start, start + size)
      const examples = some.map((text) => ({ ...model.tokenizer.encode(text, maxLength), label: 0 }))
      const batch = padBatch(examples, { padId: model.tokenizer.padId, padMultiple, maxLength })
      const logits = yield* logitsOf(adapted, batch)
      for (const [i, text] of some.entries()) {
        const own = Array.from(logits.subarray(i * model.labels.length, (i + 1) * model.labels.length))
        const label = model.labels[own.indexOf(Math.max(...own))]!
        predictions.push({ text, label, logits: Object.fromEntries(model.labels.map((name, j) => [name, own[j]!])) })
      }
    }
    return predictions
  }).pipe(ofDevice)
