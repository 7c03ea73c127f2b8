/**
 * A trained run, ready to be used: `loadRun("runs/movies-1").predict(["a fine film"])`.
 *
 * Reads the run's own plan.json, the base it names (or another copy of it), and the adapter folder.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Adapted } from "../adapters/index.ts"
import type { RunPlan } from "../schemas/index.ts"
import { padBatch } from "./data/index.ts"
import { Device } from "./device/index.ts"
import { describe, loadDescribed } from "./models/index.ts"
import { baseIdentity, restoreAdapter, runFolder } from "./output/index.ts"
import { injectPlan, readPlan, selectSites } from "./plan/index.ts"
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
    yield* checkBase(directory, folder.report, source)
    const description = yield* describe(source, { ...plan.model.task, labels: plan.data.labels })
    const selected = yield* Effect.fromResult(selectSites(plan, description))
    const model = yield* loadDescribed(description, { seed: plan.seed })
    const adapted = yield* injectPlan(model, { plan, selected })
    yield* restoreAdapter(adapted, folder.adapter)
    const run: LoadedRun = { plan, adapted, predict: (texts) => predictWith(adapted, plan, texts) }
    return run
  })

/** An adapter over other weights answers nonsense without complaint; so the weights' hashes are compared. */
const checkBase = (directory: string, report: string, source: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs
      .readFileString(report)
      .pipe(
        Effect.mapError(
          ({ reason }) => new RunError({ directory, reason: `run.json cannot be read: ${reason.message}` })
        )
      )
    const recorded = Schema.decodeUnknownResult(RecordedBase)(text)
    if (Result.isFailure(recorded)) {
      return yield* new RunError({ directory, reason: "run.json does not say which base was trained (base.sha256)" })
    }
    const { base } = recorded.success
    const found = yield* baseIdentity(source)
    const same = JSON.stringify(found.sha256) === JSON.stringify(base.sha256)
    if (!same) {
      const reason = `the weights in ${source} are not the ones this run was trained on (SHA-256 differs); give the right base with --base DIR`
      return yield* new RunError({ directory, reason })
    }
  })

const RecordedBase = Schema.fromJsonString(
  Schema.Struct({ base: Schema.Struct({ sha256: Schema.Record(Schema.String, Schema.String) }) })
)

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
  })
