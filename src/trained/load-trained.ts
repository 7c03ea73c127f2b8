/** Whatever was trained: a run's folder, or an adapter of PEFT from elsewhere. */
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

/** Loads a run, or an adapter. The model lives as long as the scope. */
export const loadTrained = (place: string, options: LoadAdapterOptions = {}) =>
  Effect.flatMap(isAdapter(place), (foreign) => (foreign ? loadAdapter(place, options) : loadRun(place, options)))

/** The same as it is known before a weight is read. */
export const describeTrained = (place: string, options: LoadAdapterOptions = {}) =>
  Effect.gen(function* () {
    const described: DescribedRun = yield* (yield* isAdapter(place))
      ? describeAdapter(place, options)
      : describeRun(place, options)
    return described
  }).pipe(ofDevice)

/** What gives texts vectors. */
export interface Embedder {
  /** texts that are given to it at a time */
  readonly batchSize: number
  /** A vector for each text. */
  readonly embed: LoadedRun["embed"]
}

/**
 * A run or an adapter whose model makes vectors, or an encoder as it is: its folder, or hf:owner/name (which is an adapter where a base is
 * given for it). It lives as long as the scope.
 */
export const loadEmbedder = (place: string, options: LoadAdapterOptions = {}) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const isRun = yield* fs.exists(path.join(place, "plan.json")).pipe(Effect.orElseSucceed(() => false))
    const onHub = /^hf:/.test(place) && options.base === undefined
    const trained = isRun || (!onHub && (yield* isAdapter(place)))
    const embedder: Embedder = trained ? yield* embedderOf(place, options) : yield* openEmbedder(place)
    return embedder
  })

const embedderOf = (place: string, options: LoadAdapterOptions) =>
  Effect.map(loadTrained(place, options), ({ embed, plan }) => ({
    embed,
    batchSize: plan.training.evaluateBatchSize
  }))

/** What was trained to write texts. */
export interface WritingRun extends Writing {
  /** the run's own */
  readonly plan: RunPlan
  /** it was trained for; NaN of an adapter from elsewhere */
  readonly steps: number
  /** the files that it was trained on, by content */
  readonly inputs: Inputs
  /** what writes texts with such a model */
  readonly generation: NonNullable<Runner["generation"]>
}

/** The same of a causal language model, to generate with. */
export const loadCausalRun = (directory: string, options: LoadAdapterOptions = {}) =>
  Effect.flatMap(loadTrained(directory, options), (run) => writingRun(directory, run))

/** A run whose model goes on with texts. */
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
        ? ["write no text", usedBy(run.kind, plan)]
        : ["go on with no text: each is read, and another written for it", "generate, or evaluate without --generate"]
    const reason = `is of data.format "${plan.data.format}", whose models ${what}: use ${use}`
    return yield* new RunError({ directory, reason })
  })
