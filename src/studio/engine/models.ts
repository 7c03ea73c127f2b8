/** Models that a run can begin from: those that come with the program, and those in the working directory. */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { byteSize, isRecord, number, wholeNumber } from "../../boundary/index.ts"
import { type Files, namesIn, parseBoundedJson, readTextFile } from "../../files/index.ts"
import { INDEX_FILE, readFolderHeaders, SINGLE_FILE } from "../../safetensors/index.ts"
import type { BaseModel } from "../protocol/index.ts"
import { ComesWith, type EngineNeeds, type Handlers } from "./handlers.ts"

/** Folders that are searched for models, from the working directory, and their depth. */
const places = [
  { folder: "models", depth: 3 },
  { folder: ".", depth: 2 }
] as const
/** What holds results, packages or what no one looks into. */
const skipped = new Set(["node_modules", "runs", "compare", "adapters"])
// a folder of data sets may have millions
const [MOST_ENTRIES, MOST_MODELS] = [2_000, 50] as const

const numbersText = (numbers: number): string =>
  numbers >= 1e6 ? `${number(numbers / 1e6)} million parameters` : `${wholeNumber(numbers)} parameters`

const isGguf = (name: string): boolean => /\.gguf$/i.test(name) && !/-0000[2-9]-of-|-000[1-9]\d-of-/.test(name)

const sizeOf = (file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return Number((yield* fs.stat(file)).size)
  })

const jsonOf = (file: string) =>
  Effect.gen(function* () {
    const parsed = parseBoundedJson(yield* readTextFile(file))
    return "value" in parsed && isRecord(parsed.value) ? parsed.value : {}
  })

const productOf = (shape: ReadonlyArray<unknown>): number =>
  shape.reduce<number>((size, axis) => size * (typeof axis === "number" ? axis : 1), 1)

/** A folder of Hugging Face, by its config.json and the headers of its weights. */
const folderSays = (folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const { model_type: type } = yield* jsonOf(path.join(folder, "config.json"))
    const tensors = [...(yield* readFolderHeaders(folder)).values()]
    const numbers = tensors.reduce((sum, { shape }) => sum + productOf(shape), 0)
    const bytes = tensors.reduce((sum, { begin, end }) => sum + end - begin, 0)
    return [typeof type === "string" ? type : "a model", numbersText(numbers), byteSize(bytes)].join(", ")
  })

/** A tf.LayersModel, by its model.json. */
const layersSay = (file: string) =>
  Effect.gen(function* () {
    const { modelTopology, weightsManifest } = yield* jsonOf(file)
    if (!isRecord(modelTopology) || !Array.isArray(weightsManifest)) return yield* Effect.fail("not a LayersModel")
    const weights = weightsManifest.flatMap((group): ReadonlyArray<unknown> => {
      const manifest = isRecord(group) ? group["weights"] : undefined
      return Array.isArray(manifest) ? manifest : []
    })
    const numbers = weights.reduce<number>((sum, weight) => {
      const shape = isRecord(weight) ? weight["shape"] : undefined
      return sum + (Array.isArray(shape) ? productOf(shape) : 0)
    }, 0)
    return `a tf.LayersModel, ${numbersText(numbers)}`
  })

const ggufSays = (file: string) => Effect.map(sizeOf(file), (bytes) => `a GGUF file, ${byteSize(bytes)}`)

/** What models a folder itself holds, as sources: it, or files in it. */
const sourcesIn = (path: Path.Path, folder: string, names: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...(names.includes("config.json") && (names.includes(SINGLE_FILE) || names.includes(INDEX_FILE)) ? [folder] : []),
  ...(names.includes("model.json") ? [path.join(folder, "model.json")] : []),
  ...names.filter(isGguf).map((name) => path.join(folder, name))
]

/** The sources below a folder, level by level. */
const sourcesBelow = (folder: string, depth: number): Effect.Effect<ReadonlyArray<string>, never, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const sources: Array<string> = []
    let [level, entries] = [[folder], 0]
    for (let at = 0; at <= depth && level.length > 0; at++) {
      const below: Array<string> = []
      for (const parent of level) {
        const names = yield* namesIn(parent)
        entries += names.length
        if (entries > MOST_ENTRIES || sources.length >= MOST_MODELS) return sources
        const inParent = sourcesIn(path, parent, names.toSorted())
        sources.push(...inParent)
        // what is in a model's folder belongs to it
        if (inParent.includes(parent)) continue
        below.push(
          ...names.flatMap((name) =>
            name.startsWith(".") || name.includes(".") || skipped.has(name) ? [] : [path.join(parent, name)]
          )
        )
      }
      level = below
    }
    return sources
  })

/** As plans name it, from the working directory on; null: nothing can be read there. */
const described = (source: string): Effect.Effect<BaseModel | null, never, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const isLayers = path.basename(source) === "model.json"
    const says = yield* isLayers ? layersSay(source) : isGguf(source) ? ggufSays(source) : folderSays(source)
    const name = path.basename(isLayers ? path.dirname(path.resolve(source)) : path.resolve(source))
    return { source, name, says }
  }).pipe(Effect.orElseSucceed(() => null))

export const modelHandlers: Partial<Handlers<EngineNeeds>> = {
  calls: {
    models: () =>
      Effect.gen(function* () {
        const path = yield* Path.Path
        const included = (yield* ComesWith).models
        const local = yield* Effect.forEach(places, ({ folder, depth }) => sourcesBelow(folder, depth))
        const first = new Map<string, string>()
        for (const source of [...included, ...local.flat()]) {
          const absolute = path.resolve(source)
          if (!first.has(absolute)) first.set(absolute, source)
        }
        const models = yield* Effect.forEach([...first.values()], described, { concurrency: 4 })
        return models.filter((model) => model !== null)
      })
  }
}
