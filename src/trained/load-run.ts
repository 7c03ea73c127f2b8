/**
 * Loads a trained run for use: `loadRun("runs/movies-1").predict(["a fine film"])`.
 *
 * Reads the run's plan.json, the base model that it names (or another copy), and the adapter folder.
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
import { beginFromAdapter } from "../run/index.ts"
import {
  checkBeginning,
  checkModel,
  checkPlan,
  compareAdapter,
  RunError,
  type RunRecord,
  readRecord
} from "./run-identity.ts"

/** A finished run, loaded for prediction, with its labels and the record of its training files. */
export interface LoadedRun extends Trained {
  /** kind of the run */
  readonly kind: LoadedKind
  /** class names, in the order of the logits; empty without classes */
  readonly labels: ReadonlyArray<string>
  /** training files, by content hash */
  readonly inputs: Inputs
  /** rows for checking a merged external adapter; absent for runs, which have data */
  readonly sample?: ReadonlyArray<object>
  /**
   * Predicts each text or row, in their order. For runs over arrays a text is a JSON list of numbers, for runs over images a path;
   * `folder`: base of relative paths, default the working directory.
   */
  readonly predict: (inputs: ReadonlyArray<Asked>, folder?: string) => ReturnType<typeof predictWith>
  /** Returns one vector per text, in their order; fails if the run's model computes no embeddings. */
  readonly embed: (texts: ReadonlyArray<string>) => ReturnType<typeof embedWith>
}

/** A trained run or adapter, described without reading weights: by its plan and the headers of its base. */
export interface DescribedRun {
  /** the run's folder, or the adapter's place */
  readonly directory: string
  readonly kind: LoadedKind
  readonly plan: RunPlan
  /** the kind's description of the model */
  readonly model: Effect.Success<ReturnType<LoadedKind["describe"]>>
  /** Loads the model with its adapter, until the scope closes. */
  readonly open: Effect.Effect<LoadedRun, Reported, Device | World>
}

/** Loads a run, until the scope closes. `base`: current place of the base model, if it has moved. */
export const loadRun = (
  directory: string,
  options: {
    /** another place of the base model, as `model.source`; default: the one in the run's plan */
    readonly base?: string | undefined
  } = {}
) => Effect.flatMap(describeRun(directory, options), ({ open }) => open).pipe(ofDevice, Effect.withSpan("load"))

/** Reads everything about a run except its weights, and checks its base against run.json. */
export const describeRun = (
  directory: string,
  options: { readonly base?: string | undefined } = {}
): Effect.Effect<DescribedRun, Reported, World> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* runFolder(directory)
    for (const file of [folder.plan, folder.report]) {
      if (yield* fs.exists(file).pipe(Effect.orElseSucceed(() => false))) continue
      const reason = `${path.basename(file)} is missing; expected the folder of a finished run, such as runs/<name>-1`
      return yield* new RunError({ directory, reason })
    }
    const { plan: savedPlan } = yield* readPlan(folder.plan, [], { ofRun: true })
    const record = yield* readRecord(folder)
    yield* checkPlan(directory, record, savedPlan)
    const { base: moved } = options
    const plan =
      moved === undefined
        ? savedPlan
        : withBase(savedPlan, /^hf:/.test(moved) || isUrl(moved) ? moved : path.resolve(moved))
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
    if (again) yield* beginFromAdapter(kind, adapted, yield* readPeftAdapter(from))
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
      predict: (questions, folder) => predictWith(kind, adapted, plan, questions, folder),
      embed: (texts) => embedWith(directory, kind, adapted, plan, texts)
    }
    return run
  }).pipe(ofDevice)

/** Adds the ranks in run.json. Fails if they are those of other layers. */
const recorded = <Planned extends Parameters<typeof withRecorded>[0]>(
  directory: string,
  planned: Planned,
  { ranks }: RunRecord
) =>
  Effect.fromResult(withRecorded(planned, ranks)).pipe(
    Effect.mapError(({ message }) => new RunError({ directory, reason: `run.json lists different layers: ${message}` }))
  )

export const withBase = <Plan extends RunPlan>(plan: Plan, source: string): Plan => ({
  ...plan,
  model: { ...plan.model, source }
})

export const predictWith = (
  runner: Runner,
  adapted: Adapted<Network>,
  plan: RunPlan,
  inputs: ReadonlyArray<Asked>,
  folder?: string
) => runner.predict(adapted, plan, inputs, folder).pipe(ofDevice)

/** Returns the command that uses runs of a kind. */
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
    const reason = `is of data.format "${plan.data.format}", whose models cannot embed texts: use ${usedBy(kind, plan)}`
    return yield* new RunError({ directory, reason })
  }).pipe(ofDevice)
