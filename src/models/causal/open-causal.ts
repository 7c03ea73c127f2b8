/**
 * Opens a causal language model by its name in a plan or on a command line: a Hugging Face folder, a .gguf file, or
 * `hf:owner/name[/file.gguf][@revision]`, which is downloaded into the Hub's cache once.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { readTextFile } from "../../files/index.ts"
import { forEachTensor } from "../../safetensors/index.ts"
import { modelErrorOf, readHeaders, readJson } from "../checkpoint.ts"
import { HubError, resolveSource } from "../hub/index.ts"
import { ModelError } from "../model.ts"
import type { CheckpointSource } from "./causal-model.ts"
import { describeCausal } from "./describe-causal.ts"
import { type LoadCausalOptions, loadCausal } from "./load-causal.ts"

/** Opens a source: only headers are read. */
export const openSource = (source: string) =>
  Effect.gen(function* () {
    const place = yield* resolveSource(source)
    if (!place.endsWith(".gguf")) return yield* folderSource(place)
    const { ggufSource } = yield* Effect.promise(() => import("../gguf/index.ts"))
    return yield* ggufSource(place)
  }).pipe(
    Effect.mapError((error) =>
      error instanceof HubError ? new ModelError({ folder: source, problems: [error.message] }) : error
    )
  )

/** Opens, describes and loads a model; its weights live as long as the scope. */
export const openCausalModel = (source: string, options: LoadCausalOptions = {}) =>
  Effect.gen(function* () {
    const opened = yield* openSource(source)
    return yield* loadCausal(opened, yield* describeCausal(opened), options)
  })

const TEMPLATE = "chat_template.jinja"

/**
 * A Hugging Face folder: `config.json`, weights as safetensors (one file or shards), and those of `tokenizer.json`,
 * `tokenizer_config.json`, `chat_template.jinja` and `generation_config.json` that exist. No weight is read.
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
      generationConfig: yield* readOptional(folder, "generation_config.json"),
      tokenizer: yield* readOptional(folder, "tokenizer.json"),
      tokenizerConfig: yield* withTemplate(folder, yield* readOptional(folder, "tokenizer_config.json")),
      tensors: headers,
      read: (names, visit) =>
        forEachTensor(
          names.map((name) => headers.get(name)!),
          ({ data }, { name }) => visit(name, data)
        ).pipe(Effect.catchTag("SafetensorsError", (error) => Effect.flip(modelErrorOf(folder, error))))
    }
  })

const isThere = (folder: string, name: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    return yield* fs.exists(path.join(folder, name)).pipe(Effect.orElseSucceed(() => false))
  })

/** A JSON file, or null where there is none. */
const readOptional = (folder: string, name: string) =>
  Effect.flatMap(isThere(folder, name), (there) => (there ? readJson(folder, name) : Effect.succeed(null)))

/** A template in a file of its own takes precedence over the one in tokenizer_config.json, as in transformers. */
const withTemplate = (folder: string, tokenizerConfig: unknown) =>
  Effect.gen(function* () {
    if (!(yield* isThere(folder, TEMPLATE))) return tokenizerConfig
    const path = yield* Path.Path
    const template = yield* readTextFile(path.join(folder, TEMPLATE)).pipe(
      Effect.mapError(({ reason }) => new ModelError({ folder, problems: [`${TEMPLATE}: ${reason}`] }))
    )
    const own = typeof tokenizerConfig === "object" && !Array.isArray(tokenizerConfig) ? tokenizerConfig : null
    return { ...own, chat_template: template }
  })
