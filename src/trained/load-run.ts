/**
 * A trained run, ready to be used: `loadRun("runs/movies-1").predict(["a fine film"])`.
 *
 * Reads the run's own plan.json, the base it names (or another copy of it), and the adapter folder.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { Adapted } from "../../adapters/index.ts"
import type { CausalPlan, RunPlan } from "../../schemas/index.ts"
import { ofDevice } from "../device/index.ts"
import { isUrl } from "../files/index.ts"
import { type LoadedKind, loadKind, type Runner, type Trained, type Writing } from "../kinds/index.ts"
import type { Network } from "../models/index.ts"
import { baseIdentity, runFolder } from "../output/index.ts"
import { injectToRestore, readPlan, selectSites } from "../plan/index.ts"

export class RunError extends Schema.TaggedError<RunError>()("RunError", {
  directory: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.directory}: ${this.reason}`
  }
}

export interface LoadedRun extends Trained {
  readonly kind: LoadedKind
  /** class names, in the order of the logits; none where it has no classes */
  readonly labels: ReadonlyArray<string>
  /** One prediction per text, in their order. Of a run over arrays a text is a JSON list of numbers. */
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
    const { base: moved } = options
    const plan =
      moved === undefined
        ? written
        : withBase(written, /^hf:/.test(moved) || isUrl(moved) ? moved : path.resolve(moved))
    const kind = yield* loadKind(plan)
    const model = yield* kind.describe(plan)
    const record = yield* readRecord(directory, folder.report)
    yield* checkBase(directory, record.base.sha256, kind.baseOf(plan, model))
    const selected = yield* Effect.fromResult(selectSites(plan, model))
    const planned = { plan, selected, model }
    const adapted = yield* injectToRestore(yield* kind.load(planned), planned)
    yield* kind.restore(adapted, plan, folder.adapter)
    const { steps } = record
    const run: LoadedRun = {
      kind,
      plan,
      adapted,
      labels: kind.labelsOf(model),
      steps,
      predict: (texts) => predictWith(kind, adapted, plan, texts)
    }
    return run
  }).pipe(ofDevice)

const withBase = <Plan extends RunPlan>(plan: Plan, source: string): Plan => ({
  ...plan,
  model: { ...plan.model, source }
})

const predictWith = (runner: Runner, adapted: Adapted<Network>, plan: RunPlan, texts: ReadonlyArray<string>) =>
  runner.predict(adapted, plan, texts).pipe(ofDevice)

/** A run whose model writes texts. */
export interface WritingRun extends Writing {
  readonly plan: CausalPlan
  readonly steps: number
  readonly generation: NonNullable<Runner["generation"]>
}

/** A run of a causal language model, to generate with. */
export const loadCausalRun = (directory: string, options: { readonly base?: string | undefined } = {}) =>
  Effect.gen(function* () {
    const run = yield* loadRun(directory, options)
    const { plan, steps } = run
    const { generation } = run.kind
    if (generation !== undefined) {
      const writing: WritingRun = { ...generation.writing(run), steps, generation }
      return writing
    }
    const reason = `is a run of a classifier (data.format "${plan.data.format}"), which writes no text: use predict`
    return yield* new RunError({ directory, reason })
  })

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
