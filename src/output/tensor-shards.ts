/** Tensors of a model as the weights of a Hugging Face folder: one file, or shards and their index. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { type FileError, writeJson } from "../files/index.ts"
import {
  INDEX_FILE,
  type SafetensorsError,
  SINGLE_FILE,
  streamSafetensors,
  type TensorType
} from "../safetensors/index.ts"

/** A tensor whose bytes are computed when it is written. */
export interface TensorToWrite<E, R> extends TensorType {
  readonly bytes: Effect.Effect<Uint8Array, E, R>
}

/** Default shard size of transformers for years, and the size that a Hub page loads in one piece. */
const SHARD_BYTES = 5e9

/** Returns an upper bound: at most 8 bytes per value, and nearly always 4. */
const sizeOf = ({ dtype, shape }: TensorType): number =>
  shape.reduce((product, n) => product * n, /64$/.test(dtype) ? 8 : 4)

/** Groups names in order into shards of at most `limit` bytes; a larger tensor gets a shard of its own. */
const groupsOf = (tensors: ReadonlyMap<string, TensorType>, limit: number): ReadonlyArray<ReadonlyArray<string>> => {
  const groups: Array<Array<string>> = []
  let freeBytes = 0
  for (const [name, type] of tensors) {
    const size = sizeOf(type)
    if (groups.length === 0 || size > freeBytes) {
      groups.push([])
      freeBytes = limit
    }
    groups.at(-1)!.push(name)
    freeBytes -= size
  }
  return groups
}

/**
 * Writes tensors as the weights of a Hugging Face folder, which must exist: one `model.safetensors` or, if that would exceed `limit` bytes, shards
 * and their index, named as transformers names them. Holds one tensor at a time. Default limit 5 GB.
 */
export const writeTensorShards = <E, R>(
  folder: string,
  tensors: ReadonlyMap<string, TensorToWrite<E, R>>,
  limit = SHARD_BYTES
): Effect.Effect<void, E | SafetensorsError | FileError, R | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const write = (file: string, names: ReadonlyArray<string>) => {
      const ofShard = new Map(names.map((name) => [name, tensors.get(name)!]))
      return streamSafetensors(path.join(folder, file), ofShard, (name) => ofShard.get(name)!.bytes, { format: "pt" })
    }
    const groups = groupsOf(tensors, limit)
    if (groups.length <= 1) return yield* write(SINGLE_FILE, [...tensors.keys()])
    const padded = (number: number) => `${number}`.padStart(5, "0")
    const fileOf = (i: number) => `model-${padded(i + 1)}-of-${padded(groups.length)}.safetensors`
    for (const [i, names] of groups.entries()) yield* write(fileOf(i), names)
    const total = [...tensors.values()].reduce((sum, type) => sum + sizeOf(type), 0)
    yield* writeJson(path.join(folder, INDEX_FILE), {
      metadata: { total_size: total },
      weight_map: Object.fromEntries(groups.flatMap((names, i) => names.map((name) => [name, fileOf(i)])))
    })
  })
