/**
 * The files that a model is read from. A run's record has the hash of each (`output/inputs.ts`), so a reader that reads another file has
 * to find it here: readers of folders take names of `folderFiles` alone, and which files hold the weights the readers are asked.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { partFiles } from "../files/index.ts"
import { INDEX_FILE, readFolderHeaders, type SafetensorsError, SINGLE_FILE } from "../safetensors/index.ts"
import { weightFiles } from "./layers-model/index.ts"

/** File that names the tokens that end a text: affects generation, not training. */
export const GENERATION_CONFIG = "generation_config.json"

/** File name of the chat template in folders of models, adapters and runs, as in transformers. */
export const CHAT_TEMPLATE = "chat_template.jinja"

/** Files of a Hugging Face folder that are read in addition to its weights: the first always, the others if they exist. */
export const folderFiles = [
  "config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  CHAT_TEMPLATE,
  // of models of images
  "preprocessor_config.json",
  GENERATION_CONFIG
] as const

/** Name of such a file. */
export type FolderFile = (typeof folderFiles)[number]

/** A file that affects a model's results. */
export interface ModelFile {
  /** path in reports, relative to the model's folder */
  readonly name: string
  /** path; the file may not exist */
  readonly path: string
  /** whether it contains weights */
  readonly holdsWeights: boolean
}

/** Returns the files of a model: of a folder, a .gguf file with its parts, or a LayersModel by its model.json. */
export const modelFiles = (
  source: string
): Effect.Effect<ReadonlyArray<ModelFile>, SafetensorsError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const of = (home: string, files: Iterable<string>, holdsWeights: boolean) =>
      Array.from(files, (file): ModelFile => ({ name: path.relative(home, file), path: file, holdsWeights }))
    if (source.endsWith(".json")) {
      const home = path.dirname(source)
      return [...of(home, [source], false), ...of(home, new Set(yield* weightFiles(source)), true)]
    }
    if (source.endsWith(".gguf")) return of(path.dirname(source), partFiles(source) ?? [source], true)
    const weights = new Set([...(yield* readFolderHeaders(source)).values()].map(({ file }) => file))
    const single = path.join(source, SINGLE_FILE)
    const beside = folderFiles.map((name) => path.join(source, name))
    return [
      ...of(source, weights.has(single) ? beside : [...beside, path.join(source, INDEX_FILE)], false),
      // one that comes to lie beside shards is read in their place
      ...of(source, new Set([single, ...weights]), true)
    ]
  })
