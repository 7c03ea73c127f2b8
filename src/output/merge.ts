/**
 * A merged model as a Hugging Face folder, which transformers loads without PEFT or this package. If no class of transformers has its head,
 * config.json describes an encoder without labels: a classifier's class could load the folder too, and would answer with a random head.
 *
 *   config.json          the base's, with this model's class, labels and dtype
 *   model.safetensors    the base's tensors with what was trained in place             (merged-tensors.ts)
 *   head.safetensors     weight [classes, hidden], bias [classes], and `labels` in its metadata: a head over mean pooling
 *   tokenizer files, LICENSE, NOTICE the base's, with what its tokenizer_config.json lacks (tokenizer-config.ts)
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import { type Adapted, type InitError, unadapted } from "../../adapters/index.ts"
import { type FileError, fileError, statRegular } from "../files/index.ts"
import type { Sources } from "../hub/hub.ts"
import {
  describe,
  familyOf,
  type HeadSpec,
  headClassOf,
  loadDescribed,
  type Model,
  type ModelDescription,
  type ModelError,
  type Network,
  readJson
} from "../models/index.ts"
import { type HostTensor, type SafetensorsError, writeSafetensors } from "../safetensors/index.ts"
import { type DeviceReadError, readTensor } from "../tensors/index.ts"
import { type AdapterError, restoreAdapter } from "./adapter-folder.ts"
import { writeMergedConfig } from "./merged-config.ts"
import { type TensorCounts, writeMergedTensors } from "./merged-tensors.ts"
import { type TokenizerUse, writeTokenizerConfig } from "./tokenizer-config.ts"

/** Companion files of a model in addition to its config and weights, by transformers' names. */
const companions = [
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "generation_config.json",
  "special_tokens_map.json",
  "preprocessor_config.json",
  "added_tokens.json",
  "vocab.txt",
  "vocab.json",
  "merges.txt",
  "spiece.model",
  "tokenizer.model",
  "sentencepiece.bpe.model"
]

const isCompanion = (name: string): boolean => companions.includes(name) || /^(licen[cs]e|notice)(\.\w+)?$/i.test(name)

/** A text model with any kind of targets. */
type MergedModel = ModelDescription & Network & Pick<Model, "tokenizer">

/** Problem types of transformers' sequence classifiers (other classes ignore them), which select the loss and how a pipeline interprets outputs. */
export type ProblemType = "single_label_classification" | "multi_label_classification" | "regression"

type MergeWriteError = FileError | ModelError | SafetensorsError | DeviceReadError

/** Writes the merged model into `folder`, which must exist. */
export const writeMerged = <M extends MergedModel>(
  adapted: Adapted<M>,
  folder: string,
  problemType?: ProblemType
): Effect.Effect<TensorCounts, MergeWriteError, Sources> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const { model } = adapted
    const counts = yield* writeMergedTensors(path.join(folder, "model.safetensors"), adapted)
    yield* writeHead(adapted, folder)
    // described before, so it is an object
    const config = (yield* readJson(model.folder, "config.json")) as object
    yield* writeMergedConfig(model.folder, folder, mergedConfig(config, model, problemType))
    yield* copyCompanions(model.folder, folder, { tokenTypes: model.tokenTypes, padId: model.tokenizer.padId })
    return counts
  })

const writeHead = <M extends MergedModel>({ model, trainable }: Adapted<M>, folder: string) =>
  Effect.gen(function* () {
    if (headClassOf(model.head) !== undefined || model.head.parameters.length === 0) return
    const path = yield* Path.Path
    const head: Record<string, HostTensor> = {}
    for (const { name, role, value } of trainable.dense) {
      if (role !== "head") continue
      const data = (yield* readTensor(value, name)) as Float32Array
      head[name.slice(name.lastIndexOf(".") + 1)] = { shape: value.shape, data }
    }
    const labels = JSON.stringify(model.labels)
    yield* writeSafetensors(path.join(folder, "head.safetensors"), head, { format: "pt", labels })
  })

/** Copies the files of a model except its config and weights, and completes tokenizer_config.json. */
export const copyCompanions = (
  from: string,
  to: string,
  use: TokenizerUse
): Effect.Effect<void, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const names = yield* fs.readDirectory(from).pipe(Effect.mapError(fileError("read", from)))
    for (const name of names.filter(isCompanion)) {
      const target = path.join(to, name)
      yield* statRegular(path.join(from, name))
      yield* fs.copyFile(path.join(from, name), target).pipe(Effect.mapError(fileError("write", target)))
    }
    yield* writeTokenizerConfig(from, to, use)
  })

/** Loads the merged model from its folder, without an adapter and with the head stored there, as any user would. */
export const openMerged = (
  folder: string,
  { head, labels }: ModelDescription
): Effect.Effect<
  Adapted,
  ModelError | InitError | DeviceReadError | AdapterError | SafetensorsError,
  Sources | Scope.Scope
> =>
  Effect.gen(function* () {
    const model = yield* loadDescribed(yield* describe(folder, savedTask(head, labels)), { seed: 0 })
    const adapted = yield* unadapted(model)
    if (headClassOf(head) === undefined && head.parameters.length > 0) yield* restoreAdapter(adapted, folder)
    return adapted
  })

/** Describes the task of a folder that such a model was saved in. */
const savedTask = ({ pooling, output }: HeadSpec, labels: ReadonlyArray<string>) => {
  if (pooling === "first" || output !== "linear")
    return { pooling: pooling === "mean" ? pooling : ("first" as const), normalize: output === "normalized" }
  return {
    pooling,
    head: headClassOf({ pooling }) === undefined ? ("zeros" as const) : ("checkpoint" as const),
    labels
  }
}

/** Returns the class that loads the merged folder: the class with this head if there is one, else the bare encoder. */
export const mergedClass = ({ family, head }: ModelDescription): string =>
  `${familyOf(family).className}${headClassOf(head)?.suffix ?? "Model"}`

/**
 * Fields that do not apply to the new folder: where the base was loaded from, code that is not copied (`auto_map`), the former spelling of `dtype`,
 * and a class count in addition to `id2label`.
 */
const untrue = ["_name_or_path", "auto_map", "torch_dtype", "num_labels"]

/** Removes the fields of a base's config that do not apply to a merged folder. */
export const withoutUntrue = (base: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(base).filter(([key]) => !untrue.includes(key)))

/** Converts labels to the format of transformers' config.json. */
export const labelsOfConfig = (labels: ReadonlyArray<string>) => ({
  /** index → label */
  id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
  /** label → index */
  label2id: Object.fromEntries(labels.map((label, i) => [label, i]))
})

const mergedConfig = (
  base: object,
  model: ModelDescription,
  problemType: ProblemType | undefined
): Readonly<Record<string, unknown>> => ({
  ...withoutUntrue(base),
  architectures: [mergedClass(model)],
  dtype: "float32",
  // a base that was another classifier would otherwise stay one
  ...(headClassOf(model.head) !== undefined
    ? { ...labelsOfConfig(model.labels), problem_type: problemType }
    : { id2label: undefined, label2id: undefined, problem_type: undefined })
})
