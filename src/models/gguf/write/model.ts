/** What the header of an exported model says: the base's own metadata where it is a .gguf file, else what its folder says. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { readExactly } from "../../../files/index.ts"
import type { CausalTokenizer } from "../../../tensors/index.ts"
import type { CausalDescription, CheckpointSource } from "../../causal/causal-model.ts"
import type { CausalFamily } from "../../causal/decoder.ts"
import { causalFamilies } from "../../causal/families.ts"
import type { ModelError } from "../../model.ts"
import type { GgufWriting, Hyperparameters } from "../architecture.ts"
import { type OpenedFile, readGgufFile, unreadableFile } from "../header.ts"
import { tokenizerMetadata } from "./tokenizer.ts"
import { type EncodedValue, encoded } from "./values.ts"

/** A model to write as a GGUF file. */
export interface GgufModel extends Hyperparameters {
  readonly writing: GgufWriting
}

/** Reason why a model cannot be written: the end of a sentence that begins with the model. */
export interface Unsaid {
  readonly reason: string
}

/** Returns the model's hyperparameters for llama.cpp from its config alone, or why it cannot be written. */
export const ggufModelOf = (family: string, config: unknown): GgufModel | Unsaid => {
  const { toGguf, textPart }: CausalFamily = causalFamilies[family as keyof typeof causalFamilies]
  if (toGguf === null) return { reason: `is of the family ${family}, which cannot be written as a GGUF file here` }
  // described before, so it is an object
  const textConfig = textPart === null ? config : textPart.config(config as object)
  const hyperparameters = toGguf.hyperparameters(textConfig)
  if (Result.isFailure(hyperparameters)) return { reason: hyperparameters.failure.join("; ") }
  return { ...hyperparameters.success, writing: toGguf }
}

/** Keys that are about the file, and those that are about its being in parts. */
const ofFile = (key: string): boolean =>
  ["general.file_type", "general.quantization_version", "general.alignment", "general.name"].includes(key) ||
  key.startsWith("split.")

/** The base's metadata as its file has them. */
const copied = (file: string): Effect.Effect<ReadonlyMap<string, EncodedValue>, ModelError, FileSystem.FileSystem> =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { places, tensorsBegin }: OpenedFile = yield* readGgufFile(file)
      const handle = yield* fs.open(file)
      const bytes = yield* readExactly(handle, 0, tensorsBegin)
      const others = [...places].filter(([key]) => !ofFile(key))
      return new Map(others.map(([key, [begin, end]]) => [key, bytes.slice(begin, end)]))
    })
  ).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(unreadableFile(file)(error))))

/** Returns the metadata of a merged model without its name and type, or the reason why it cannot be written. */
export const ggufMetadata = (
  source: CheckpointSource,
  { eosIds, vocabularySize }: Pick<CausalDescription, "eosIds" | "vocabularySize">,
  model: GgufModel,
  tokenizer: CausalTokenizer
): Effect.Effect<ReadonlyMap<string, EncodedValue> | Unsaid, ModelError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (source.where.endsWith(".gguf")) return yield* copied(source.where)
    const architecture = model.writing.architecture.name
    const metadata = yield* tokenizerMetadata({
      ...source,
      eosIds,
      rows: vocabularySize,
      architecture,
      loaded: tokenizer
    })
    if (typeof metadata === "string") return { reason: metadata }
    return new Map<string, EncodedValue>([
      ["general.architecture", encoded.string(architecture)],
      ["general.type", encoded.string("model")],
      ...Object.entries(model.values).map(([key, value]) => [`${architecture}.${key}`, value] as const),
      ...metadata
    ])
  })
