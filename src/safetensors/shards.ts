/**
 * The weights of a Hugging Face folder: one `model.safetensors`, or shards listed in `model.safetensors.index.json`
 *
 *   { "metadata": { "total_size": … }, "weight_map": { "encoder.layer.0….weight": "model-00001-of-00002.safetensors", … } }
 *
 * Shards must be in the folder itself; an index with other paths is rejected.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { cut, Listing, limit, listed, mostListed, overLimit, quoted, wholeNumber } from "../boundary/index.ts"
import { parseBoundedJson, readTextFile } from "../files/index.ts"
import { readHeader, SafetensorsError, type StoredTensor, unreadable } from "./header.ts"

export const SINGLE_FILE = "model.safetensors"
export const INDEX_FILE = "model.safetensors.index.json"

/** Returns the location of every tensor of a folder by name, read from the headers alone. */
export const readFolderHeaders = (
  folder: string
): Effect.Effect<ReadonlyMap<string, StoredTensor>, SafetensorsError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const single = path.join(folder, SINGLE_FILE)
    const index = path.join(folder, INDEX_FILE)
    const exists = (file: string) => fs.exists(file).pipe(Effect.mapError(unreadable(file)))
    if (yield* exists(single)) return (yield* readHeader(single)).tensors
    if (yield* exists(index)) return yield* readShards(folder, index)
    const problem = `no such file, and no ${INDEX_FILE} either`
    return yield* new SafetensorsError({ file: single, problems: [problem], missing: true })
  })

const readShards = (folder: string, index: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const weightMap = yield* readWeightMap(index)
    const shards = [...new Set(weightMap.values())]
    if (shards.length > limit("weight-files")) {
      const problem = `names ${wholeNumber(shards.length)} files, more than ${overLimit("weight-files")}`
      return yield* new SafetensorsError({ file: index, problems: [problem] })
    }
    const headers = yield* Effect.forEach(shards, (shard) =>
      readHeader(path.join(folder, shard)).pipe(
        Effect.map((header) => ({ header, problems: [] as ReadonlyArray<string> })),
        Effect.catchTag("SafetensorsError", (error) =>
          Effect.succeed({ header: undefined, problems: error.problems.map((problem) => `shard ${shard}: ${problem}`) })
        )
      )
    )
    const byShard = new Map(shards.map((shard, i) => [shard, headers[i]!.header]))
    const problems = new Listing()
    for (const problem of headers.flatMap((header) => header.problems)) problems.add(problem)
    const tensors = new Map<string, StoredTensor>()
    for (const [name, shard] of weightMap) {
      const header = byShard.get(shard)
      const tensor = header?.tensors.get(name)
      if (tensor !== undefined) tensors.set(name, tensor)
      else if (header !== undefined) problems.add(`tensor ${cut(name)} should be in ${shard}, but is not`)
    }
    if (!problems.isEmpty) return yield* new SafetensorsError({ file: index, problems: problems.entries })
    return tensors as ReadonlyMap<string, StoredTensor>
  })

const readWeightMap = (index: string) =>
  Effect.gen(function* () {
    const fail = (problems: ReadonlyArray<string>) => new SafetensorsError({ file: index, problems })
    const text = yield* readTextFile(index).pipe(Effect.mapError(({ reason }) => fail([reason])))
    const parsed = parseBoundedJson(text)
    if ("problem" in parsed) return yield* fail([parsed.problem])
    const map = (parsed.value as { readonly weight_map?: unknown } | null)?.weight_map
    if (typeof map !== "object" || map === null || Array.isArray(map)) {
      return yield* fail(['has no object "weight_map" from tensor names to file names'])
    }
    const entries = Object.entries(map as Record<string, unknown>)
    const refused = entries.filter(([, shard]) => !isFileName(shard))
    if (refused.length > 0) {
      const sentences = refused.slice(0, mostListed).map(([name, shard]) => {
        return `tensor ${cut(name)} is listed in ${quoted(shard)}; expected a .safetensors file of the same folder`
      })
      return yield* fail(listed([...sentences, ...refused.slice(mostListed).map(([name]) => name)]))
    }
    return new Map(entries as Array<[string, string]>)
  })

/** Returns whether a name stays in the folder. */
const isFileName = (shard: unknown): shard is string =>
  typeof shard === "string" && /^[^/\\:]+\.safetensors$/.test(shard) && !shard.includes("\0")
