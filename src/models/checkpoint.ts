/**
 * A Hugging Face folder before any weight is read: `config.json`, and the headers of its safetensors, matched with what the
 * family's forward pass needs. Other tensors (other heads, position ids, an unused pooler) are ignored and listed.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import { quoted } from "../boundary/index.ts"
import { parseBoundedJson, readTextFile } from "../files/index.ts"
import type { Sources } from "../hub/hub.ts"
import { readFolderHeaders, type SafetensorsError, type StoredTensor } from "../safetensors/index.ts"
import type { Encoder, Family } from "./encoder.ts"
import type { FolderFile } from "./files-read.ts"
import { ModelError, type ParameterSpec, refusedUrl } from "./model.ts"
import { placeOf, WeightlessFolders } from "./source.ts"

/** An opened checkpoint folder. */
export interface Checkpoint {
  /** local folder */
  readonly folder: string
  readonly family: Family
  readonly encoder: Encoder
  /** prefix of the backbone's names: "bert." in the file of a BertForSequenceClassification, "" in that of a BertModel */
  readonly prefix: string
  /** Returns the stored tensor of a parameter, by the family's name. */
  readonly find: (name: string) => StoredTensor | undefined
  /** names of all stored tensors */
  readonly stored: ReadonlyArray<string>
  /** Returns one sentence for each parameter that is missing or has a different shape. */
  readonly misfits: (parameters: ReadonlyArray<ParameterSpec>) => ReadonlyArray<string>
}

/** Opens a folder or hf:owner/name and checks the encoder's parameters. Fails with every missing or wrongly shaped parameter. */
export const openCheckpoint = (
  source: string,
  families: Readonly<Record<string, Family>>
): Effect.Effect<Checkpoint, ModelError, Sources> =>
  Effect.gen(function* () {
    const folder = yield* placeOf(source)
    const { family, config: encoder } = yield* readFamily<Encoder, Family>(folder, families)
    const headers = yield* readHeaders(folder)
    const prefix = headers.has(family.prefix + encoder.embedding) ? family.prefix : ""
    const find = (name: string) => {
      const stored = storedName(family, prefix, name)
      return headers.get(stored) ?? headers.get(legacyName(stored))
    }
    const misfits = (parameters: ReadonlyArray<ParameterSpec>) =>
      shapeProblems(headers, parameters, (name) => find(name) ?? { name: storedName(family, prefix, name) })
    const problems = misfits(encoder.parameters)
    if (problems.length > 0) return yield* new ModelError({ folder, problems })
    return { folder, family, encoder, prefix, find, stored: [...headers.keys()], misfits }
  })

/** Returns a parameter's name in a file whose backbone has `prefix`. Classifiers are outside the backbone. */
export const storedName = ({ outside }: Family, prefix: string, name: string): string =>
  outside.some((module) => name.startsWith(`${module}.`)) ? name : prefix + name

/** The first BERT checkpoints call a norm's parameters gamma and beta; transformers renames them silently, and so do we. */
const legacyName = (name: string): string =>
  name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta")

/** The headers of a folder without weights, where `WeightlessFolders` allows one. */
const noWeights: ReadonlyMap<string, StoredTensor> = new Map()

/**
 * Returns one sentence for each parameter that is missing or has a different shape. `headers`: of the files; `find`: returns a parameter's name
 * in them, and its shape if they contain it.
 */
export const shapeProblems = (
  headers: ReadonlyMap<string, unknown>,
  parameters: ReadonlyArray<ParameterSpec>,
  find: (name: string) => { readonly name: string; readonly shape?: ReadonlyArray<number> | undefined }
): ReadonlyArray<string> =>
  parameters.flatMap(({ name, shape }) => {
    if (headers === noWeights) return []
    const stored = find(name)
    if (stored.shape === undefined) return [`weights: ${stored.name} is missing; expected shape [${shape.join(", ")}]`]
    if (stored.shape.length === shape.length && stored.shape.every((n, i) => n === shape[i])) return []
    return [`weights: ${stored.name} has shape [${stored.shape.join(", ")}]; config.json says [${shape.join(", ")}]`]
  })

/** Converts a weight file's error to the model's. */
export const modelErrorOf = (folder: string, { file, problems }: Pick<SafetensorsError, "file" | "problems">) =>
  Effect.map(
    Path.Path,
    (path) => new ModelError({ folder, problems: problems.map((problem) => `${path.basename(file)}: ${problem}`) })
  )

const JUDGED_WITHOUT = "; validate --model-only checks a plan without weights"

/** Reads the headers of a folder's weight files. */
export const readHeaders = (folder: string) =>
  readFolderHeaders(folder).pipe(
    Effect.catchTag("SafetensorsError", (error) =>
      Effect.gen(function* () {
        if (error.missing !== true) return yield* Effect.flip(modelErrorOf(folder, error))
        if (yield* WeightlessFolders) return noWeights
        const problems = error.problems.map((problem) => problem + JUDGED_WITHOUT)
        return yield* Effect.flip(modelErrorOf(folder, { file: error.file, problems }))
      })
    )
  )

/** Reads a JSON file of the folder: UTF-8, of bounded size and depth. */
export const readJson = (
  folder: string,
  name: FolderFile
): Effect.Effect<unknown, ModelError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const refused = refusedUrl(folder)
    if (refused !== undefined) return yield* refused
    const fail = (problem: string) => new ModelError({ folder, problems: [`${name}: ${problem}`] })
    const expected = "expected a Hugging Face folder with config.json, model.safetensors and tokenizer.json"
    const text = yield* readTextFile(path.join(folder, name)).pipe(
      Effect.mapError(({ missing, reason }) =>
        fail(missing ? `${reason} (${path.resolve(folder, name)}); ${expected}` : reason)
      )
    )
    const parsed = parseBoundedJson(text)
    return "problem" in parsed ? yield* fail(parsed.problem) : parsed.value
  })

/** What reads the config.json of a family. */
interface ConfigFamily<Config> {
  readonly open: (json: unknown) => Result.Result<Config, ReadonlyArray<string>>
}

/** Returns the family that `model_type` of a parsed config.json names, or the reason why no family matches. */
export const familyIn = <F extends object>(config: unknown, families: Readonly<Record<string, F>>): F | string => {
  const type = (config as { readonly model_type?: unknown } | null)?.model_type
  if (typeof type === "string" && Object.hasOwn(families, type)) return families[type]!
  const observation = type === undefined ? "is missing" : quoted(type)
  return `config.json: model_type ${observation}; supported are ${Object.keys(families).join(", ")}`
}

/** Reads the config of a folder with the family that `model_type` of its config.json names. */
export const readFamily = <Config, F extends ConfigFamily<Config>>(
  folder: string,
  families: Readonly<Record<string, F & ConfigFamily<Config>>>
) =>
  Effect.gen(function* () {
    const json = yield* readJson(folder, "config.json")
    const family = familyIn<F & ConfigFamily<Config>>(json, families)
    if (typeof family === "string") return yield* new ModelError({ folder, problems: [family] })
    const decoded = family.open(json)
    if (Result.isFailure(decoded)) return yield* new ModelError({ folder, problems: decoded.failure })
    return { family, config: decoded.success }
  })
