/**
 * Reads sentence-transformers' files of a model, which define how hidden states become vectors:
 *
 *   modules.json                 Transformer, Pooling, perhaps Normalize
 *   1_Pooling/config.json        pooling_mode "mean" or "cls"; in older folders pooling_mode_mean_tokens and so on
 *   sentence_bert_config.json    max_seq_length: tokens at which texts are cut
 *
 * @see sentence-transformers `SentenceTransformer.save`
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { isRecord } from "../../../boundary/index.ts"
import { parseBoundedJson, readTextFile } from "../../../files/index.ts"
import type { Sources } from "../../../hub/hub.ts"
import { ModelError, placeOf } from "../../../models/index.ts"

/** Name of sentence-transformers' list of modules. */
export const MODULES = "modules.json"
/** Name of sentence-transformers' folder with the pooling's config.json. */
export const POOLING_FOLDER = "1_Pooling"
/** Name of sentence-transformers' file with the maximum number of tokens per text. */
export const SENTENCE_CONFIG = "sentence_bert_config.json"

/** Settings of a sentence-transformers folder; a field is undefined if the folder does not state it. */
export interface SentenceSettings {
  /** pooling of hidden states; undefined also for unsupported pooling */
  readonly pooling: "mean" | "cls" | undefined
  /** whether vectors have length 1 */
  readonly normalize: boolean | undefined
  /** maximum number of tokens; longer texts are truncated */
  readonly maxLength: number | undefined
  /** unsupported operations on hidden states, one sentence with the file's name each */
  readonly unsupported: ReadonlyArray<string>
}

/** Reads the settings of a folder or a Hub model, with or without such files. */
export const sentenceSettings = (source: string): Effect.Effect<SentenceSettings, ModelError, Sources> =>
  Effect.gen(function* () {
    const folder = yield* placeOf(source)
    const modules = yield* readIfThere(folder, MODULES)
    const { max_seq_length: most } = recordOf(yield* readIfThere(folder, SENTENCE_CONFIG))
    const maxLength = Number.isInteger(most) && (most as number) > 0 ? (most as number) : undefined
    if (modules === undefined) return { pooling: undefined, normalize: undefined, maxLength, unsupported: [] }
    if (!Array.isArray(modules)) {
      return yield* new ModelError({ folder, problems: [`${MODULES}: is not a list of modules`] })
    }
    const named = modules.map(recordOf).map(({ type, path }) => ({ name: nameOf(type), path }))
    const unsupported = named.filter(({ name }) => !["Transformer", "Pooling", "Normalize"].includes(name))
    const pooled = named.find(({ name }) => name === "Pooling")
    const poolingFolder = typeof pooled?.path === "string" ? pooled.path : POOLING_FOLDER
    // a path within the folder
    const inside = !poolingFolder.split(/[\\/]/).includes("..") && !/^([\\/]|\w:)/.test(poolingFolder)
    const mode =
      pooled === undefined || !inside
        ? []
        : modesOf(recordOf(yield* readIfThere(folder, `${poolingFolder}/config.json`)))
    const [only, ...more] = mode
    const pooling = more.length === 0 && (only === "mean" || only === "cls") ? only : undefined
    return {
      pooling,
      normalize: named.some(({ name }) => name === "Normalize"),
      maxLength,
      unsupported: [
        ...unsupported.map(
          ({ name }) =>
            `${MODULES}: has a module ${name}, which is not supported (Transformer, Pooling and Normalize are)`
        ),
        ...(pooling === undefined
          ? [
              `${poolingFolder}/config.json: pools by ${mode.length === 0 ? "an unknown mode" : mode.join(" and ")}; "mean" and "cls" are supported`
            ]
          : [])
      ]
    }
  })

/** Reads a JSON file of the model's folder, if it exists. A run's record has no hash of it: the plan of the run stores its settings. */
const readIfThere = (folder: string, name: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const file = path.join(folder, name)
    if (!(yield* fs.exists(file).pipe(Effect.orElseSucceed(() => false)))) return undefined
    const fail = (reason: string) => new ModelError({ folder, problems: [`${name}: ${reason}`] })
    const text = yield* readTextFile(file).pipe(Effect.mapError(({ reason }) => fail(reason)))
    const parsed = parseBoundedJson(text)
    return "problem" in parsed ? yield* fail(parsed.problem) : parsed.value
  })

const recordOf = (value: unknown): Readonly<Record<string, unknown>> => (isRecord(value) ? value : {})

/** Returns the last part of a type's name: "Pooling" of "sentence_transformers.models.Pooling". */
const nameOf = (type: unknown): string =>
  typeof type === "string" ? type.slice(type.lastIndexOf(".") + 1, 64 + type.length) : ""

const spelled: Readonly<Record<string, string>> = { cls_token: "cls", mean_tokens: "mean", max_tokens: "max" }

/** Returns all enabled pooling modes, whose vectors are concatenated. */
const modesOf = (config: Readonly<Record<string, unknown>>): ReadonlyArray<string> => {
  const { pooling_mode: mode } = config
  if (typeof mode === "string") return [mode]
  if (Array.isArray(mode)) return mode.map(String)
  return Object.entries(config).flatMap(([key, on]) => {
    const name = /^pooling_mode_(\w+)$/.exec(key)?.[1]
    return name === undefined || on !== true ? [] : [spelled[name] ?? name]
  })
}
