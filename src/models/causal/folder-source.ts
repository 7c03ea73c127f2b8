/**
 * A Hugging Face folder as the source of a causal model: `config.json`, weights as safetensors (one file or shards), and, where they
 * are there, `tokenizer.json`, `tokenizer_config.json`, `chat_template.jinja`, `generation_config.json`.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { readTextFile } from "../../files/index.ts"
import { forEachTensor, readFolderHeaders, type SafetensorsError } from "../../safetensors/index.ts"
import { readJson } from "../checkpoint.ts"
import { ModelError } from "../model-error.ts"
import type { CheckpointSource } from "./checkpoint-source.ts"

const TEMPLATE = "chat_template.jinja"

/** Opens a folder: its JSON files and the headers of its weights are read, weights are not. */
export const folderSource = (
  folder: string
): Effect.Effect<CheckpointSource, ModelError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const config = yield* readJson(folder, "config.json")
    const unreadable = ({ file, problems }: SafetensorsError) =>
      new ModelError({ folder, problems: problems.map((problem) => `${path.basename(file)}: ${problem}`) })
    const headers = yield* readFolderHeaders(folder).pipe(Effect.mapError(unreadable))
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
        ).pipe(Effect.catchTag("SafetensorsError", (error) => Effect.fail(unreadable(error))))
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

/** A template in a file of its own stands over the one in tokenizer_config.json, as in transformers. */
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
