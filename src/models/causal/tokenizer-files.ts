/** What a folder says of its tokenizer, in the files of transformers. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { readTextFile } from "../../files/index.ts"
import { readJson } from "../checkpoint.ts"
import { CHAT_TEMPLATE, type FolderFile } from "../files-read.ts"
import { ModelError } from "../model.ts"
import type { CheckpointSource } from "./causal-model.ts"

/** Reads `tokenizer.json`, and `tokenizer_config.json` with the template of `chat_template.jinja`; null for a missing file. */
export const tokenizerFiles = (
  folder: string
): Effect.Effect<
  Pick<CheckpointSource, "tokenizer" | "tokenizerConfig">,
  ModelError,
  FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function* () {
    return {
      tokenizer: yield* readOptional(folder, "tokenizer.json"),
      tokenizerConfig: yield* withTemplate(folder, yield* readOptional(folder, "tokenizer_config.json"))
    }
  })

const isThere = (folder: string, name: FolderFile) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    return yield* fs.exists(path.join(folder, name)).pipe(Effect.orElseSucceed(() => false))
  })

/** Reads a JSON file, or returns null if it does not exist. */
export const readOptional = (folder: string, name: FolderFile) =>
  Effect.flatMap(isThere(folder, name), (there) => (there ? readJson(folder, name) : Effect.succeed(null)))

/** A template in a file of its own takes precedence over the one in tokenizer_config.json, as in transformers. */
const withTemplate = (folder: string, tokenizerConfig: unknown) =>
  Effect.gen(function* () {
    if (!(yield* isThere(folder, CHAT_TEMPLATE))) return tokenizerConfig
    const path = yield* Path.Path
    const template = yield* readTextFile(path.join(folder, CHAT_TEMPLATE)).pipe(
      Effect.mapError(({ reason }) => new ModelError({ folder, problems: [`${CHAT_TEMPLATE}: ${reason}`] }))
    )
    const fields = typeof tokenizerConfig === "object" && !Array.isArray(tokenizerConfig) ? tokenizerConfig : null
    return { ...fields, chat_template: template }
  })
