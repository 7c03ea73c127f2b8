/**
 * A merged model whose class uses the tensor names of its base's file: that file with the trained values in place, under the names there.
 * Parameters that the base does not have (a new head) get the names of transformers' class.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { Adapted } from "../../adapters/index.ts"
import type { FileError } from "../files/index.ts"
import { type FolderDescription, type ModelError, type Network, readJson } from "../models/index.ts"
import { bytesOf, readFolderHeaders, type SafetensorsError } from "../safetensors/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import { copyCompanions, withoutUntrue } from "./merge.ts"
import { writeMergedConfig } from "./merged-config.ts"
import { copied, type MergedTensor, roundedParameters, type TensorCounts, trainedParameters } from "./merged-tensors.ts"
import { writeTensorShards } from "./tensor-shards.ts"
import { paddingOf } from "./tokenizer-config.ts"

interface MergedFolderOptions {
  /** fields of config.json that differ from the base's: `architectures`, labels */
  readonly config: Readonly<Record<string, unknown>>
  /** maximum bytes of a weight file */
  readonly shardBytes?: number
}

/** Writes the merged model into `folder`, which must exist. */
export const writeMergedFolder = <M extends FolderDescription & Network>(
  adapted: Adapted<M>,
  folder: string,
  { config, shardBytes }: MergedFolderOptions
): Effect.Effect<
  TensorCounts,
  FileError | ModelError | SafetensorsError | DeviceReadError,
  FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function* () {
    const { model } = adapted
    const stored = yield* readFolderHeaders(model.folder)
    // a classifier of the base's own labels has the names of this model's, which takes its place
    const tensors = new Map<string, MergedTensor>([...stored.values()].map((tensor) => [tensor.name, copied(tensor)]))
    const trained = trainedParameters(adapted)
    const rounded = [...roundedParameters(adapted)].filter(([name]) => !trained.has(name))
    for (const [name, { shape, read }] of [...trained, ...rounded]) {
      const tensorName = model.stored.get(name) ?? model.exported.nameOf(name)
      tensors.set(tensorName, { dtype: "F32", shape, bytes: Effect.map(read, bytesOf) })
    }
    yield* writeTensorShards(folder, tensors, shardBytes)
    // described before, so it is an object
    const base = (yield* readJson(model.folder, "config.json")) as object
    yield* writeMergedConfig(model.folder, folder, { ...withoutUntrue(base), dtype: "float32", ...config })
    yield* copyCompanions(model.folder, folder, { tokenTypes: 0, ...paddingOf(base) })
    const counts = { merged: trained.size, rounded: rounded.length, leftOut: [] }
    return { ...counts, copied: tensors.size - trained.size - rounded.length }
  })
