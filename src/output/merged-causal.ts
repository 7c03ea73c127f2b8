/**
 * A merged causal model as a Hugging Face folder, which transformers loads and which needs neither PEFT nor this package:
 *
 *   config.json                 the base's, or what a GGUF file's metadata say, as float32
 *   model.safetensors           W′ = W + s·BA (or what the method's `merge` says) in place of W, what was trained itself in place of what
 *                               it started from, everything else as the base has it; float32, since a merged weight rounded back to
 *                               float16 would not compute what was trained                      (shards where it is large)
 *   generation_config.json, tokenizer files, LICENSE, NOTICE     as they are in the base; of a GGUF file: made from its metadata
 *
 * Names are those of transformers' own class, whatever the base's file calls its tensors; GPT-2's linear weights are transposed back to
 * [in, out]. What nothing reads (buffers, a copy of a tied output layer, a vision tower) is left out: of a Gemma 3 with a vision tower
 * only the text model is written, since that is what was trained.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { Adapted } from "../../adapters/index.ts"
import { type FileError, writeJson } from "../files/index.ts"
import {
  type CausalDescription,
  type CausalFamily,
  type CausalModel,
  type CheckpointSource,
  causalClassName,
  causalFamilies,
  transposed
} from "../models/causal/index.ts"
import type { ModelError } from "../models/index.ts"
import {
  bytesOf,
  INDEX_FILE,
  type SafetensorsError,
  SINGLE_FILE,
  streamSafetensors,
  type TensorType
} from "../safetensors/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import { copyCompanions } from "./merge.ts"
import { type ChangedParameter, roundedParameters, type TensorCounts, trainedParameters } from "./merged-tensors.ts"

type Files = FileSystem.FileSystem | Path.Path
type MergeWriteError = FileError | ModelError | SafetensorsError | DeviceReadError
type Source = TensorToWrite<ModelError | DeviceReadError, Files>

const familyOf = ({ family }: Pick<CausalDescription, "family">): CausalFamily =>
  causalFamilies[family as keyof typeof causalFamilies]

/** The class that loads the merged folder. */
export const causalMergedClass = (model: Pick<CausalDescription, "family">): string => familyOf(model).className

interface MergedCausalOptions {
  /** bytes of a file of weights at most */
  readonly shardBytes?: number
}

/** Writes the merged model into `folder`, which exists. `source`: what `adapted.model` was described and loaded from. */
export const writeMergedCausal = (
  adapted: Adapted<CausalModel>,
  source: CheckpointSource,
  folder: string,
  { shardBytes }: MergedCausalOptions = {}
): Effect.Effect<TensorCounts, MergeWriteError, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const { model } = adapted
    const trained = trainedParameters(adapted)
    const rounded = new Map([...roundedParameters(adapted)].filter(([name]) => !trained.has(name)))
    const linear = new Set(model.fanInFanOut ? model.sites.map((site) => `${site.name}.weight`) : [])
    const tensors = new Map<string, Source>()
    for (const { name } of model.parameters) {
      const own = trained.get(name) ?? rounded.get(name)
      const written = own === undefined ? copied(source, model.stored.get(name)!) : changed(own, linear.has(name))
      tensors.set(exportedName(model, name), written)
    }
    yield* writeTensorShards(folder, tensors, shardBytes)
    yield* writeJson(path.join(folder, "config.json"), mergedCausalConfig(source.config, model))
    yield* writeCompanions(source, folder)
    const counts = { merged: trained.size, rounded: rounded.size }
    return { ...counts, copied: tensors.size - trained.size - rounded.size, leftOut: model.unusedTensors }
  })

/** A parameter's name in the class that is written. */
const exportedName = (model: CausalDescription, name: string): string =>
  causalClassName(familyOf(model).textPart ?? model, name)

/** A stored tensor as it is, in float32. */
const copied = (source: CheckpointSource, stored: string): Source => ({
  dtype: "F32",
  shape: source.tensors.get(stored)!.shape,
  bytes: Effect.suspend(() => {
    const read: Array<Float32Array> = []
    const visit = (_: string, data: Float32Array) => Effect.sync(() => void read.push(data))
    return Effect.map(source.read([stored], visit), () => bytesOf(read[0]!))
  })
})

/** A parameter that is not the base's any more; `turned`: its class holds it [in, out]. */
const changed = ({ shape, read }: ChangedParameter, turned: boolean): Source => {
  if (!turned) return { dtype: "F32", shape, bytes: Effect.map(read, bytesOf) }
  const [out, inputs] = shape as readonly [number, number]
  return {
    dtype: "F32",
    shape: [inputs, out],
    bytes: Effect.map(read, (data) => bytesOf(transposed(data, out, inputs)))
  }
}

/** What would be untrue of the new folder: where the base was loaded from, code that is not copied, the former spelling of `dtype`. */
const untrue = ["_name_or_path", "auto_map", "torch_dtype"]

/** `base`: described before, so it is an object. */
export const mergedCausalConfig = (
  base: unknown,
  model: Pick<CausalDescription, "family" | "tied">
): Readonly<Record<string, unknown>> => {
  const { className, textPart } = familyOf(model)
  const text = textPart?.config(base as object) ?? (base as object)
  return {
    // transformers 5 does not write it any more, and llama.cpp's converter asks for it
    ...("n_positions" in text ? { n_ctx: text.n_positions } : {}),
    ...Object.fromEntries(Object.entries(text).filter(([key]) => !untrue.includes(key))),
    ...(textPart === null ? {} : { model_type: textPart.modelType }),
    architectures: [className],
    // said by the file above a text_config, or by nothing but the tensors
    tie_word_embeddings: model.tied,
    dtype: "float32"
  }
}

/** What belongs to a model besides its config and weights. */
const writeCompanions = (source: CheckpointSource, folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    if (!source.where.endsWith(".gguf")) return yield* copyCompanions(source.where, folder)
    const made = {
      "generation_config.json": source.generationConfig,
      "tokenizer.json": source.tokenizer,
      "tokenizer_config.json": source.tokenizerConfig
    }
    for (const [name, content] of Object.entries(made)) {
      if (content !== null) yield* writeJson(path.join(folder, name), content)
    }
  })

/** A float32 tensor, whose bytes are made when it is its turn. */
interface TensorToWrite<E, R> extends TensorType {
  readonly dtype: "F32"
  readonly bytes: Effect.Effect<Uint8Array, E, R>
}

/** transformers' own default for years, and what a Hub page loads in one piece. */
const SHARD_BYTES = 5e9

const sizeOf = ({ shape }: TensorType): number => shape.reduce((product, n) => product * n, 4)

/** Names in their order, in groups of at most `limit` bytes; a larger tensor has one of its own. */
const groupsOf = (tensors: ReadonlyMap<string, TensorType>, limit: number): ReadonlyArray<ReadonlyArray<string>> => {
  const groups: Array<Array<string>> = []
  let left = 0
  for (const [name, type] of tensors) {
    const size = sizeOf(type)
    if (groups.length === 0 || size > left) {
      groups.push([])
      left = limit
    }
    groups.at(-1)!.push(name)
    left -= size
  }
  return groups
}

/**
 * Writes tensors as the weights of a Hugging Face folder, which exists: `model.safetensors`, or shards and their index, named as
 * transformers names them, where one file would be larger than `limit`. One tensor is held at a time.
 */
const writeTensorShards = <E, R>(
  folder: string,
  tensors: ReadonlyMap<string, TensorToWrite<E, R>>,
  limit = SHARD_BYTES
): Effect.Effect<void, E | SafetensorsError | FileError, R | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const write = (file: string, names: ReadonlyArray<string>) => {
      const own = new Map(names.map((name) => [name, tensors.get(name)!]))
      return streamSafetensors(path.join(folder, file), own, (name) => own.get(name)!.bytes, { format: "pt" })
    }
    const groups = groupsOf(tensors, limit)
    if (groups.length <= 1) return yield* write(SINGLE_FILE, [...tensors.keys()])
    const padded = (number: number) => `${number}`.padStart(5, "0")
    const fileOf = (i: number) => `model-${padded(i + 1)}-of-${padded(groups.length)}.safetensors`
    for (const [i, names] of groups.entries()) yield* write(fileOf(i), names)
    const total = [...tensors.values()].reduce((sum, type) => sum + sizeOf(type), 0)
    yield* writeJson(path.join(folder, INDEX_FILE), {
      metadata: { total_size: total },
      weight_map: Object.fromEntries(groups.flatMap((names, i) => names.map((name) => [name, fileOf(i)])))
    })
  })
