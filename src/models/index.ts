/**
 * Model families, and two ways to a model: `describe` and then `loadDescribed` (a plan is checked before weights are read), or `load` for
 * both at once. Rooms that read LayersModels alone enter by `layers-model/index.ts`, which loads no tokenizers or model families.
 *
 * @example
 * import { load } from "tfjs-lora-pro/models"
 *
 * const model = load({ source: "./examples/models/minilm", task: "classification", labels: ["negative", "positive"] })
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import {
  ClassificationTask,
  count,
  decodeOptions,
  ModelSection,
  OptionsError,
  withDefault
} from "../../schemas/index.ts"
import type { Sources } from "../hub/hub.ts"
import { describe, type TaskOptions } from "./describe.ts"
import { type LoadOptions, load as loadDescribed } from "./load.ts"
import type { Model, ModelError } from "./model.ts"

export { type BaseCard, readBaseCard } from "./base-card.ts"
export { baseLayer, baseLinear } from "./base-layer.ts"
export { bert, type EncoderConfig } from "./bert.ts"
export * as Causal from "./causal/index.ts"
export { openCheckpoint, readJson, storedName } from "./checkpoint.ts"
export {
  classParameterName,
  type DescribedModel,
  describe,
  type EmbeddingOptions,
  type TaskOptions
} from "./describe.ts"
export { distilbert } from "./distilbert.ts"
export type { Family } from "./encoder.ts"
export { families, familyOf } from "./families.ts"
export { CHAT_TEMPLATE, GENERATION_CONFIG, type ModelFile, modelFiles } from "./files-read.ts"
export type { FolderDescription, LoadFolderOptions } from "./folder-model.ts"
export { headClassOf, unitRows } from "./head.ts"
export * from "./layers-model/index.ts"
export { type LoadOptions, load as loadDescribed, loadTokenizer, tokenTensors } from "./load.ts"
export type * from "./model.ts"
export { ModelError, taskTypes } from "./model.ts"
export { modernbert } from "./modernbert.ts"
export { randomBert } from "./random-bert.ts"
export { roberta } from "./roberta.ts"
export * as Seq2Seq from "./seq2seq/index.ts"
export { SharedParts, sharedParts } from "./shared-parts.ts"
export { adapterPlaceOf, placeOf, WeightlessFolders } from "./source.ts"
export * as Vision from "./vision/index.ts"

/** Options of `Models.load`: the model and its task. */
export interface LoadModelOptions {
  /** a Hugging Face folder, or hf:owner/name[@revision] */
  readonly source: string
  /** task; "classification": mean pooling and a new head */
  readonly task: "classification" | ({ readonly kind: "classification" } & Partial<Omit<TaskOptions, "labels">>)
  /** class names in the order of the logits; default: the checkpoint's `id2label` */
  readonly labels?: ReadonlyArray<string>
  /** seed of the head's new parameters; default 0 */
  readonly seed?: number
  /** storage format of the frozen weights of linear layers, as in a plan; default "file" */
  readonly weights?: LoadOptions["weights"]
  /** parameters kept in float32 whatever `weights` is: modules to be trained directly; default: none */
  readonly whole?: LoadOptions["whole"]
}

/** Made by a call: a page that does not load models this way leaves the schemas out. */
const loadFields = () =>
  Schema.Struct({
    source: ModelSection.fields.source,
    task: Schema.Struct({ ...ClassificationTask.fields, head: ModelSection.fields.head }),
    weights: ModelSection.fields.weights,
    seed: count(0, "Seed of the head's new parameters.").pipe(withDefault(0))
  })

/** Describes and loads a model; its weights live as long as the scope. Options have the defaults of plans, and fail with all problems at once. */
export const load = ({
  task,
  labels,
  whole = [],
  ...options
}: LoadModelOptions): Effect.Effect<Model, ModelError | OptionsError, Sources | Scope.Scope> =>
  Effect.gen(function* () {
    const decoded = decodeOptions(loadFields(), { ...options, task: task === "classification" ? { kind: task } : task })
    if (Result.isFailure(decoded)) return yield* new OptionsError({ of: "Models.load", problems: decoded.failure })
    const { source, seed, weights } = decoded.success
    const { pooling, head = "new" } = decoded.success.task
    return yield* loadDescribed(yield* describe(source, { pooling, head, labels }), { seed, weights, whole })
  })
export {
  type BatchOf,
  type InputOf,
  type Model,
  type ModelDescription,
  type Network,
  type OutputOf,
  type Rows,
  type RunBlock,
  type TargetOf,
  toDevice
} from "./model.ts"
