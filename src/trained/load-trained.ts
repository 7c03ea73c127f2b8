/** Loads anything trained: a run's folder, or an external PEFT adapter. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { RunPlan } from "../../schemas/index.ts"
import { ofDevice } from "../device/device.ts"
import { openEmbedder, type Runner, type Writing } from "../kinds/index.ts"
import type { Inputs } from "../output/index.ts"
import { describeAdapter, isAdapter, type LoadAdapterOptions, loadAdapter } from "./load-adapter.ts"
import { type DescribedRun, describeRun, type LoadedRun, loadRun, usedBy } from "./load-run.ts"
import { RunError } from "./run-identity.ts"

/** Loads a run or an adapter, until the scope closes. */
export const loadTrained = (location: string, options: LoadAdapterOptions = {}) =>
  Effect.flatMap(isAdapter(location), (foreign) =>
    foreign ? loadAdapter(location, options) : loadRun(location, options)
  )

/** Describes a run or an adapter without reading its weights. */
export const describeTrained = (location: string, options: LoadAdapterOptions = {}) =>
  Effect.gen(function* () {
    const described: DescribedRun = yield* (yield* isAdapter(location))
      ? describeAdapter(location, options)
      : describeRun(location, options)
    return described
  }).pipe(ofDevice)

/** A model that embeds texts. */
export interface Embedder {
  /** number of texts per batch */
  readonly batchSize: number
  /** Returns one vector per text. */
  readonly embed: LoadedRun["embed"]
}

/**
 * Loads a run or adapter that computes embeddings, or a plain encoder: its folder, or hf:owner/name (an adapter if a base is given for it);
 * until the scope closes.
 */
export const loadEmbedder = (location: string, options: LoadAdapterOptions = {}) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const isRun = yield* fs.exists(path.join(location, "plan.json")).pipe(Effect.orElseSucceed(() => false))
    const onHub = /^hf:/.test(location) && options.base === undefined
    const trained = isRun || (!onHub && (yield* isAdapter(location)))
    const embedder: Embedder = trained ? yield* embedderOf(location, options) : yield* openEmbedder(location)
    return embedder
  })

const embedderOf = (location: string, options: LoadAdapterOptions) =>
  Effect.map(loadTrained(location, options), ({ embed, plan }) => ({
    embed,
    batchSize: plan.training.evaluateBatchSize
  }))

/** A trained run or adapter that generates text. */
export interface WritingRun extends Writing {
  /** the run's plan */
  readonly plan: RunPlan
  /** number of training steps; NaN for external adapters */
  readonly steps: number
  /** training files, by content hash */
  readonly inputs: Inputs
  /** the kind's text generation */
  readonly generation: NonNullable<Runner["generation"]>
}

/** Loads a run or adapter of a causal language model, for generation. */
export const loadCausalRun = (directory: string, options: LoadAdapterOptions = {}) =>
  Effect.flatMap(loadTrained(directory, options), (run) => writingRun(directory, run))

/** Returns a run whose model generates text; fails for other runs. */
export const writingRun = (directory: string, run: LoadedRun) =>
  Effect.gen(function* () {
    const { plan, steps, inputs } = run
    const { generation, write } = run.kind
    if (generation !== undefined) {
      const writing: WritingRun = { ...generation.writing(run), steps, inputs, generation }
      return writing
    }
    const [what, use] =
      write === undefined
        ? ["do not generate text", usedBy(run.kind, plan)]
        : ["do not continue texts, but write a new text for each input", "generate, or evaluate without --generate"]
    const reason = `is of data.format "${plan.data.format}", whose models ${what}: use ${use}`
    return yield* new RunError({ directory, reason })
  })
