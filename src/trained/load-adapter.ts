/**
 * Loads an external Hugging Face PEFT adapter onto its base model, for use like a trained run.
 *
 * Its kind infers what a plan would state (`Adopting`); its training rows and number of steps are unknown.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { ofDevice } from "../device/device.ts"
import { kinds, loadKind, type Reported, type RunKind, type World } from "../kinds/index.ts"
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, type PeftAdapter, readPeftAdapter } from "../peft/index.ts"
import { injectToRestore, planFromValue, selectSites } from "../plan/index.ts"
import { type Columns, detect, sectionsOf } from "../suggest/index.ts"
import { type DescribedRun, embedWith, type LoadedRun, predictWith } from "./load-run.ts"
import { RunError } from "./run-identity.ts"

export interface LoadAdapterOptions {
  /** base model: a folder, a .gguf file or hf:owner/name; default: the base that the adapter names */
  readonly base?: string | undefined
  /** rows to evaluate on: a file, and its columns if they have other names than the defaults */
  readonly rows?:
    | {
        /** path of the file, read like the plan's data */
        readonly file: string
        /** column names, by role */
        readonly columns: Columns
      }
    | undefined
}

/** Returns whether a place is an adapter rather than a run: a PEFT folder, even without its configuration, or a Hub repository. */
export const isAdapter = (location: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const there = (name: string) => fs.exists(path.join(location, name)).pipe(Effect.orElseSucceed(() => false))
    if (/^hf:/.test(location) || (yield* there(ADAPTER_CONFIG))) return true
    return (yield* there(ADAPTER_WEIGHTS)) && !(yield* there("plan.json"))
  })

/** Loads an adapter, until the scope closes. */
export const loadAdapter = (location: string, options: LoadAdapterOptions = {}) =>
  Effect.flatMap(describeAdapter(location, options), ({ open }) => open).pipe(ofDevice)

/** Reads everything about an adapter except its weights. */
export const describeAdapter = (
  location: string,
  { base, rows }: LoadAdapterOptions = {}
): Effect.Effect<DescribedRun, Reported, World> =>
  Effect.gen(function* () {
    const adapter = yield* readPeftAdapter(location)
    const source = yield* base === undefined ? namedBase(adapter) : Effect.succeed(base)
    const { adoptingKind, adopting, sections } = yield* adopted(adapter, source, rows !== undefined)
    const data = { ...sections.data, ...(rows === undefined ? {} : yield* readAs(adoptingKind, source, rows)) }
    const unused = { optimizer: { kind: "adamw", learningRate: 1e-4 }, training: { steps: 1 } }
    const plan = yield* planFromValue({ model: sections.model, data, adapter: adapter.section, ...unused }, ".")
    const kind = yield* loadKind(plan)
    const model = yield* kind.describe(plan)
    const sample = adopting.sample(kind.labelsOf(model))
    return { directory: location, kind, plan, model, open: openAdapter({ kind, plan, model }, adapter, source, sample) }
  })

/** Returns the data section for the rows to evaluate. */
const readAs = (kind: RunKind, model: string, { file: data, columns }: NonNullable<LoadAdapterOptions["rows"]>) =>
  Effect.map(detect([Effect.succeed(kind)], { model, data, columns, dialect: {} }), ({ learnables: [first] }) => ({
    ...sectionsOf(first!).data,
    train: data
  }))

/** Opens the adapter over the base `source`; `sample`: sample rows of the kind. */
const openAdapter = (
  { kind, plan, model }: Pick<DescribedRun, "kind" | "plan" | "model">,
  adapter: PeftAdapter,
  source: string,
  sample: ReadonlyArray<object>
) =>
  Effect.gen(function* () {
    const location = adapter.source
    const selected = yield* Effect.fromResult(selectSites(plan, model))
    const planned = { plan, selected, model }
    const adapted = yield* injectToRestore(yield* kind.load(planned), planned)
    if (kind.begin === undefined) return yield* notOurs(adapter)
    const { left } = yield* kind.begin(adapted, adapter)
    if (left.length > 0) {
      const reason = `has no ${left.join(", ")}, and neither has ${source}: PEFT would initialize them randomly; train them, or pass a base model that has them with --base`
      return yield* new RunError({ directory: location, reason })
    }
    const run: LoadedRun = {
      kind,
      plan,
      adapted,
      labels: kind.labelsOf(model),
      steps: Number.NaN,
      inputs: {},
      sample,
      predict: (inputs, folder) => predictWith(kind, adapted, plan, inputs, folder),
      embed: (texts) => embedWith(location, kind, adapted, plan, texts)
    }
    return run
  }).pipe(ofDevice)

/** Returns the kind of an adapter; tries special kinds before general ones. */
const adopted = (adapter: PeftAdapter, source: string, evaluated: boolean) =>
  Effect.gen(function* () {
    for (const kind of kinds.toReversed()) {
      const candidate = yield* kind
      const { adopting } = candidate
      if (adopting === undefined) continue
      const sections = yield* adopting.sections(adapter, source, evaluated)
      if (sections !== null) return { adoptingKind: candidate, adopting, sections }
    }
    return yield* notOurs(adapter)
  })

const notOurs = ({ source, config: { task, className } }: PeftAdapter) => {
  const what = `task_type ${JSON.stringify(task)}${className === null ? "" : ` over ${JSON.stringify(className)}`}`
  const reason = `is an adapter of ${what}, which is not supported: expected an adapter of a language model (CAUSAL_LM) or an encoder-decoder (SEQ_2_SEQ_LM), or of an encoder with a classifier of texts (SEQ_CLS) or words (TOKEN_CLS), or without a head (FEATURE_EXTRACTION)`
  return new RunError({ directory: source, reason })
}

/** Returns the base that adapter_config.json names: an existing local folder, or a Hub repository. */
const namedBase = ({ source, config: { base } }: PeftAdapter) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (base !== null && (yield* fs.exists(base).pipe(Effect.orElseSucceed(() => false)))) return base
    if (base !== null && /^[\w.-]+\/[\w.-]+$/.test(base)) return `hf:${base}`
    const names =
      base === null ? "names no base model" : `names ${JSON.stringify(base)} as its base model, which was not found`
    return yield* new RunError({
      directory: source,
      reason: `${names}; pass it with --base: a folder, a .gguf file or hf:owner/name`
    })
  })
