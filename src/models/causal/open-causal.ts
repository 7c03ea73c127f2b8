/**
 * From the name of a causal language model in a plan or on a command line to its checkpoint, its description and the loaded model. The
 * name is a Hugging Face folder, a .gguf file, or `hf:owner/name[/file.gguf][@revision]`, which is downloaded into the Hub's cache once.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import { forEachTensor } from "../../safetensors/index.ts"
import { familyIn, modelErrorOf, readHeaders, readJson, shapeProblems } from "../checkpoint.ts"
import { GENERATION_CONFIG } from "../files-read.ts"
import { ModelError } from "../model.ts"
import { causalSequences } from "../sequences.ts"
import { placeOf } from "../source.ts"
import type { CausalDescription, CheckpointSource } from "./causal-model.ts"
import { type CausalFamily, causalClassName, type Decoder, OUTPUT_LAYER } from "./decoder.ts"
import { causalFamilies } from "./families.ts"
import { type LoadCausalOptions, loadCausal } from "./load-causal.ts"
import { readOptional, tokenizerFiles } from "./tokenizer-files.ts"

/** Opens a source; reads only its headers. */
export const openSource = (source: string) =>
  Effect.gen(function* () {
    const place = yield* placeOf(source)
    if (!place.endsWith(".gguf")) return yield* folderSource(place)
    const { ggufSource } = yield* Effect.promise(() => import("../gguf/index.ts"))
    return yield* ggufSource(place)
  })

/** Opens, describes and loads a model; its weights live as long as the scope. */
export const openCausalModel = (source: string, options: LoadCausalOptions = {}) =>
  Effect.gen(function* () {
    const opened = yield* openSource(source)
    return yield* loadCausal(opened, yield* describeCausal(opened), options)
  })

/**
 * Opens a Hugging Face folder: `config.json`, weights as safetensors (one file or shards), and the existing files among `tokenizer.json`,
 * `tokenizer_config.json`, `chat_template.jinja` and `generation_config.json`. Reads no weights.
 */
export const folderSource = (
  folder: string
): Effect.Effect<CheckpointSource, ModelError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const config = yield* readJson(folder, "config.json")
    const headers = yield* readHeaders(folder)
    return {
      where: folder,
      config,
      generationConfig: yield* readOptional(folder, GENERATION_CONFIG),
      ...(yield* tokenizerFiles(folder)),
      tensors: headers,
      stored: (name) => {
        const { dtype, ...stored } = headers.get(name)!
        return { ...stored, type: dtype }
      },
      read: (names, visit) =>
        forEachTensor(
          names.map((name) => headers.get(name)!),
          ({ data }, { name }) => visit(name, data)
        ).pipe(Effect.catchTag("SafetensorsError", (error) => Effect.flip(modelErrorOf(folder, error))))
    }
  })

/** Describes a causal language model by its config.json and headers; reads no weights. Fails with a ModelError that lists every problem. */
export const describeCausal = (source: CheckpointSource): Effect.Effect<CausalDescription, ModelError> =>
  Effect.suspend(() => {
    const { where, config, generationConfig, tensors } = source
    const failed = (problems: ReadonlyArray<string>) => Effect.fail(new ModelError({ folder: where, problems }))
    const family = familyIn<CausalFamily>(config, causalFamilies)
    if (typeof family === "string") return failed([family])
    const opened = family.open(config)
    if (Result.isFailure(opened)) return failed(opened.failure)
    const decoder = opened.success
    const { stored, problems } = storedNames(decoder, family, tensors)
    if (problems.length > 0) return failed(problems)
    const used = new Set(stored.values())
    const { embed, blocks, norm, rotary, embedding, softcap, blockParameters, ...facts } = decoder
    return Effect.succeed({
      ...facts,
      stack: {
        blocks: blockParameters,
        width: decoder.hiddenSize,
        sequences: causalSequences
      },
      source: where,
      decoder,
      head: { parameters: [] },
      exported: {
        task: "CAUSAL_LM",
        nameOf: (name) => causalClassName(decoder, name),
        otherPrefix: "",
        modulesToSave: [],
        ownHead: false,
        inBase: new Set(),
        tiedTo: (name) => (decoder.tied && name === decoder.embedding ? [OUTPUT_LAYER] : []),
        fanInFanOut: decoder.fanInFanOut
      },
      eosIds: eosIdsOf(generationConfig) ?? eosIdsOf(config) ?? eosIdsOf(textConfigOf(config)) ?? [],
      stored,
      unusedTensors: [...tensors.keys()].filter((tensor) => !used.has(tensor))
    } satisfies CausalDescription)
  })

/** Where each parameter is in the source, and one sentence for each that is missing or has another shape. */
const storedNames = (
  decoder: Decoder,
  { otherPrefixes }: CausalFamily,
  tensors: CheckpointSource["tensors"]
): { readonly stored: ReadonlyMap<string, string>; readonly problems: ReadonlyArray<string> } => {
  const prefixes = [decoder.prefix, ...otherPrefixes, ""]
  const prefix = prefixes.find((candidate) => tensors.has(candidate + decoder.embedding)) ?? decoder.prefix
  // the output layer lies beside the backbone: with "a.model." it is "a.lm_head", unless it is at the top
  const outer = prefix.slice(0, Math.max(0, prefix.lastIndexOf(".", prefix.length - 2) + 1))
  const nameOf = (name: string) => {
    if (name !== OUTPUT_LAYER) return prefix + name
    return tensors.has(outer + name) ? outer + name : name
  }
  const linear = new Set(decoder.fanInFanOut ? decoder.sites.map((site) => `${site.name}.weight`) : [])
  const stored = new Map(decoder.parameters.map(({ name }) => [name, nameOf(name)] as const))
  const expected = decoder.parameters.map(({ name, shape }) => ({
    name,
    shape: linear.has(name) ? [...shape].reverse() : shape
  }))
  const problems = shapeProblems(tensors, expected, (name) => ({
    name: nameOf(name),
    shape: tensors.get(nameOf(name))?.shape
  }))
  return { stored, problems: condensed(problems) }
}

const MOST_LISTED = 10

/** A config of another size makes every tensor wrong: the first ones show it. */
const condensed = (problems: ReadonlyArray<string>): ReadonlyArray<string> =>
  problems.length <= MOST_LISTED
    ? problems
    : [
        ...problems.slice(0, MOST_LISTED),
        `weights: and ${problems.length - MOST_LISTED} more tensors with the same problem`
      ]

const textConfigOf = (config: unknown): unknown =>
  (config as { readonly text_config?: unknown } | null)?.text_config ?? null

/** `eos_token_id` of a config, one or several; undefined where it says none. */
const eosIdsOf = (config: unknown): ReadonlyArray<number> | undefined => {
  const ids = (config as { readonly eos_token_id?: unknown } | null)?.eos_token_id
  if (typeof ids === "number") return [ids]
  return Array.isArray(ids) && ids.every((id) => typeof id === "number") ? ids : undefined
}
