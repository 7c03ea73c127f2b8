/**
 * A trained run, ready to be used: `loadRun("runs/movies-1").predict(["a fine film"])`.
 *
 * Reads the run's own plan.json, the base it names (or another copy of it), and the adapter folder.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { Adapted } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import type { Device } from "../device/device.ts"
import { ofDevice } from "../device/device.ts"
import { isUrl } from "../files/index.ts"
import {
  type Asked,
  type LoadedKind,
  loadKind,
  type Reported,
  type Runner,
  type Trained,
  type World
} from "../kinds/index.ts"
import type { Network } from "../models/index.ts"
import { type Inputs, runFolder } from "../output/index.ts"
import { readPeftAdapter } from "../peft/index.ts"
import { fromOf, injectToRestore, readPlan, selectSites, withRecorded } from "../plan/index.ts"
import { begun } from "../run/index.ts"
import {
  checkBeginning,
  checkModel,
  checkPlan,
  compareAdapter,
  RunError,
  type RunRecord,
  readRecord
} from "./run-identity.ts"

/** A finished run as a model that predicts, with its labels and the files that it was trained on. */
export interface LoadedRun extends Trained {
  /** which kind of run it is */
  readonly kind: LoadedKind
  /** class names, in the order of the logits; none where it has no classes */
  readonly labels: ReadonlyArray<string>
  /** the files that it was trained on, by content */
  readonly inputs: Inputs
  /** of an adapter from elsewhere: rows by which a merged model is held against it; a run has its own */
  readonly sample?: ReadonlyArray<object>
  /**
   * One prediction per text or row, in their order. Of a run over arrays a text is a JSON list of numbers, of one over images a path;
   * `folder`: what paths are relative to, the working directory unless given.
   */
  readonly predict: (asked: ReadonlyArray<Asked>, folder?: string) => ReturnType<typeof predictWith>
  /** A vector per text, in their order; fails where the run's model makes none. */
  readonly embed: (texts: ReadonlyArray<string>) => ReturnType<typeof embedWith>
}

/** What was trained, as it is known without a weight: by its plan, and by the headers of its base. */
export interface DescribedRun {
  /** the run's folder, or the adapter's place */
  readonly directory: string
  readonly kind: LoadedKind
  readonly plan: RunPlan
  /** what the kind knows of the model */
  readonly model: Effect.Success<ReturnType<LoadedKind["describe"]>>
  /** The model with what was trained, for as long as the scope. */
  readonly open: Effect.Effect<LoadedRun, Reported, Device | World>
}

/** Loads a run. `base`: where the base model is now, if it has moved. The model lives as long as the scope. */
export const loadRun = (
  directory: string,
  options: {
    /** another place of the base model, as `model.source`; default: the one that the run's plan names */
    readonly base?: string | undefined
  } = {}
) => Effect.flatMap(describeRun(directory, options), ({ open }) => open).pipe(ofDevice, Effect.withSpan("load"))

/** Reads of a run all but weights, and holds its base against what run.json says of it. */
export const describeRun = (directory: string, options: { readonly base?: string | undefined } = {}) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* runFolder(directory)
    for (const file of [folder.plan, folder.report]) {
      if (yield* fs.exists(file).pipe(Effect.orElseSucceed(() => false))) continue
      const reason = `${path.basename(file)} is missing; expected the folder of a finished run, such as runs/<name>-1`
      return yield* new RunError({ directory, reason })
    }
    const { plan: written } = yield* readPlan(folder.plan, [], { ofRun: true })
    const record = yield* readRecord(folder)
    yield* checkPlan(directory, record, written)
    const { base: moved } = options
    const plan =
      moved === undefined
        ? written
        : withBase(written, /^hf:/.test(moved) || isUrl(moved) ? moved : path.resolve(moved))
    const kind = yield* loadKind(plan)
    const model = yield* kind.describe(plan)
    yield* checkModel(directory, record, kind.baseOf(plan, model))
    return { directory, kind, plan, model, open: openRun({ directory, kind, plan, model, record }) }
  })

const openRun = ({
  directory,
  kind,
  plan,
  model,
  record
}: Omit<DescribedRun, "open"> & { readonly record: RunRecord }) =>
  Effect.gen(function* () {
    const folder = yield* runFolder(directory)
    const selected = yield* Effect.fromResult(selectSites(plan, model))
    const planned = yield* recorded(directory, { plan, selected, model }, record)
    const adapted = yield* injectToRestore(yield* kind.load(planned), planned)
    const from = fromOf(plan)
    const again = from !== undefined && kind.asksBeginning?.(plan) === true
    yield* checkBeginning(directory, record, plan, again)
    if (again) yield* begun(kind, adapted, yield* readPeftAdapter(from))
    yield* kind.restore(adapted, plan, folder.adapter)
    yield* compareAdapter(folder, record)
    const { steps, inputs } = record
    const run: LoadedRun = {
      kind,
      plan,
      adapted,
      labels: kind.labelsOf(model),
      steps,
      inputs,
      predict: (asked, folder) => predictWith(kind, adapted, plan, asked, folder),
      embed: (texts) => embedWith(directory, kind, adapted, plan, texts)
    }
    return run
  }).pipe(ofDevice)

/** With the ranks that run.json has. */
const recorded = <Planned extends Parameters<typeof withRecorded>[0]>(
  directory: string,
  planned: Planned,
  { ranks }: RunRecord
) =>
  Effect.fromResult(withRecorded(planned, ranks)).pipe(
    Effect.mapError(({ message }) => new RunError({ directory, reason: `run.json has other layers: ${message}` }))
  )

export const withBase = <Plan extends RunPlan>(plan: Plan, source: string): Plan => ({
  ...plan,
  model: { ...plan.model, source }
})

export const predictWith = (
  runner: Runner,
  adapted: Adapted<Network>,
  plan: RunPlan,
  asked: ReadonlyArray<Asked>,
  folder?: string
) => runner.predict(adapted, plan, asked, folder).pipe(ofDevice)

/** The verb that uses a run of a kind. */
export const usedBy = (kind: LoadedKind, plan: RunPlan): string => kind.next(plan, "RUN").split(" ")[0]!

export const embedWith = (
  directory: string,
  kind: LoadedKind,
  adapted: Adapted<Network>,
  plan: RunPlan,
  texts: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    if (kind.embed !== undefined) return yield* kind.embed(adapted, plan, texts)
    const reason = `is of data.format "${plan.data.format}", whose models give texts no vectors: use ${usedBy(kind, plan)}`
    return yield* new RunError({ directory, reason })
  }).pipe(ofDevice)
