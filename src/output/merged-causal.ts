/**
 * A merged causal model as a Hugging Face folder, which transformers loads without PEFT or this package:
 *
 *   config.json                 the base's, or what a GGUF file's metadata say, as float32
 *   model.safetensors           W′ = W + s·BA (or what the method's `merge` says) in place of W, what was trained itself in place of what
 *                               it started from, everything else as the base has it; float32, since a merged weight rounded back to
 *                               float16 would not compute what was trained                      (shards where it is large)
 *   generation_config.json, tokenizer files, LICENSE, NOTICE     the base's, with what its tokenizer_config.json lacks
 *                               (tokenizer-config.ts); of a GGUF file: made from its metadata
 *
 * Names are those of transformers' own class, whatever the base's file calls its tensors; GPT-2's linear weights are transposed back to
 * [in, out]. Unused tensors (buffers, a copy of a tied output layer) and vision towers are left out: of a Gemma 3 with a vision tower only
 * the text model, which was trained, is written.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import type { Adapted } from "../../adapters/index.ts"
import { type FileError, type Files, writeFileAtomic, writeJson } from "../files/index.ts"
import type { Sources } from "../hub/hub.ts"
import {
  type CausalDescription,
  type CausalFamily,
  type CausalModel,
  type CheckpointSource,
  causalClassName,
  causalFamilies,
  storedChatTemplate,
  transposed
} from "../models/causal/index.ts"
import { CHAT_TEMPLATE, type ModelError } from "../models/index.ts"
import { bytesOf, type SafetensorsError } from "../safetensors/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import { copyCompanions } from "./merge.ts"
import { writeMergedConfig } from "./merged-config.ts"
import { type ChangedParameter, roundedParameters, type TensorCounts, trainedParameters } from "./merged-tensors.ts"
import { type TensorToWrite, writeTensorShards } from "./tensor-shards.ts"
import { paddingOf, type TokenizerUse } from "./tokenizer-config.ts"

type MergeWriteError = FileError | ModelError | SafetensorsError | DeviceReadError
type Source = TensorToWrite<ModelError | DeviceReadError, Files>

const familyOf = ({ family }: Pick<CausalDescription, "family">): CausalFamily =>
  causalFamilies[family as keyof typeof causalFamilies]

/** Returns the class that loads the merged folder. */
export const causalMergedClass = (model: Pick<CausalDescription, "family">): string => familyOf(model).className

interface MergedCausalOptions {
  /** maximum bytes of a weight file */
  readonly shardBytes?: number
}

/** Writes the merged model into `folder`, which must exist. `source`: the checkpoint from which `adapted.model` was loaded. */
export const writeMergedCausal = (
  adapted: Adapted<CausalModel>,
  source: CheckpointSource,
  folder: string,
  { shardBytes }: MergedCausalOptions = {}
): Effect.Effect<TensorCounts, MergeWriteError, Sources> =>
  Effect.gen(function* () {
    const { model } = adapted
    const trained = trainedParameters(adapted)
    const rounded = new Map([...roundedParameters(adapted)].filter(([name]) => !trained.has(name)))
    const linear = new Set(model.fanInFanOut ? model.sites.map((site) => `${site.name}.weight`) : [])
    const tensors = new Map<string, Source>()
    for (const { name } of model.parameters) {
      const values = trained.get(name) ?? rounded.get(name)
      const tensor = values === undefined ? copied(source, model.stored.get(name)!) : changed(values, linear.has(name))
      tensors.set(exportedName(model, name), tensor)
    }
    yield* writeTensorShards(folder, tensors, shardBytes)
    yield* writeMergedConfig(source.where, folder, mergedCausalConfig(source.config, model))
    yield* writeCompanions(source, folder, model)
    const { chatTemplate } = model.tokenizer
    if (chatTemplate !== null && chatTemplate !== storedChatTemplate(source)) {
      const path = yield* Path.Path
      yield* writeFileAtomic(path.join(folder, CHAT_TEMPLATE), chatTemplate)
    }
    const counts = { merged: trained.size, rounded: rounded.size }
    return { ...counts, copied: tensors.size - trained.size - rounded.size, leftOut: model.unusedTensors }
  })

/** Returns a parameter's name in the class that is written. */
const exportedName = (model: CausalDescription, name: string): string =>
  causalClassName(familyOf(model).textPart ?? model, name)

/** Returns a stored tensor, unchanged except for its type, float32. */
const copied = (source: CheckpointSource, stored: string): Source => ({
  dtype: "F32",
  shape: source.tensors.get(stored)!.shape,
  bytes: Effect.suspend(() => {
    const read: Array<Float32Array> = []
    const visit = (_: string, data: Float32Array) => Effect.sync(() => void read.push(data))
    return Effect.map(source.read([stored], visit), () => bytesOf(read[0]!))
  })
})

/** Returns a parameter that differs from the base's. `turned`: its class stores it as [in, out]. */
const changed = ({ shape, read }: ChangedParameter, turned: boolean): Source => {
  if (!turned) return { dtype: "F32", shape, bytes: Effect.map(read, bytesOf) }
  const [out, inputs] = shape as readonly [number, number]
  return {
    dtype: "F32",
    shape: [inputs, out],
    bytes: Effect.map(read, (data) => bytesOf(transposed(data, out, inputs)))
  }
}

/** Fields that do not apply to the new folder: where the base was loaded from, code that is not copied, the former spelling of `dtype`. */
const untrue = ["_name_or_path", "auto_map", "torch_dtype"]

/** Returns the config.json of a merged causal model. `base`: the base's config, which has already been validated as an object. */
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

/** Returns a causal model's requirements of its tokenizer. */
export const causalTokenizerUse = (
  { tokenizer }: Pick<CausalModel, "tokenizer">,
  config: unknown
): TokenizerUse & Required<Pick<TokenizerUse, "ends">> => {
  const { bosId, eosId, encode } = tokenizer
  const ids = encode("a", { special: true })
  return {
    tokenTypes: 0,
    ...paddingOf(config),
    ends: { begins: bosId !== null && ids[0] === bosId, finishes: eosId !== null && ids.at(-1) === eosId }
  }
}

/** Writes the files of a model in addition to its config and weights. */
const writeCompanions = (source: CheckpointSource, folder: string, model: Pick<CausalModel, "tokenizer">) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    if (!source.where.endsWith(".gguf"))
      return yield* copyCompanions(source.where, folder, causalTokenizerUse(model, source.config))
    const companions = {
      "generation_config.json": source.generationConfig,
      "tokenizer.json": source.tokenizer,
      "tokenizer_config.json": source.tokenizerConfig
    }
    for (const [name, content] of Object.entries(companions)) {
      if (content !== null) yield* writeJson(path.join(folder, name), content)
    }
  })
