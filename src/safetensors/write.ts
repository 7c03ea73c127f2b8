/**
 * Writes safetensors files, byte for byte as the Python library does: wider types first, then by name, compact JSON padded with spaces to a
 * multiple of eight bytes, no gaps. The same tensors give the same file. An existing file stays until the new one is complete and flushed.
 *
 * `writeSafetensors` takes float32 tensors in memory; `streamSafetensors` requests one after the other, to write files larger than memory.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { platformReason, replaceFile } from "../files/index.ts"
import { working } from "../progress/index.ts"
import { bytesPerElement, type Dtype, SafetensorsError } from "./header.ts"
import type { HostTensor } from "./read.ts"

/** Type and shape of a tensor, as the header stores them. */
export interface TensorType {
  readonly dtype: Dtype
  readonly shape: ReadonlyArray<number>
}

/** Writes float32 tensors to one file. Fails if a tensor's shape and data disagree, or if the file cannot be written. */
export const writeSafetensors = (
  file: string,
  tensors: Readonly<Record<string, HostTensor>>,
  metadata: Readonly<Record<string, string>> = {}
): Effect.Effect<void, SafetensorsError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const problems = Object.keys(tensors)
      .sort()
      .flatMap((name) => {
        const { shape, data } = tensors[name]!
        const size = sizeOf(shape)
        return size === data.length
          ? []
          : [`tensor ${name}: shape [${shape}] needs ${size} numbers, ${data.length} given`]
      })
    if (problems.length > 0) return yield* new SafetensorsError({ file, problems })
    const types = new Map(Object.entries(tensors).map(([name, { shape }]) => [name, { dtype: "F32", shape } as const]))
    yield* streamSafetensors(file, types, (name) => Effect.succeed(bytesOf(tensors[name]!.data)), metadata)
  })

/** Returns a view of an array's bytes, without copying. */
export const bytesOf = (data: ArrayBufferView): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/**
 * Writes the header of `types`, then each tensor as `bytes` returns it (little-endian, row-major), in file order. Holds one tensor at a time, plus a buffer of
 * small ones. Fails if `bytes` fails, if a tensor's byte count does not match its type, or if the file cannot be written.
 */
export const streamSafetensors = <E, R>(
  file: string,
  types: ReadonlyMap<string, TensorType>,
  bytes: (name: string) => Effect.Effect<Uint8Array, E, R>,
  metadata: Readonly<Record<string, string>> = {}
): Effect.Effect<void, E | SafetensorsError, R | FileSystem.FileSystem> => {
  const entries = [...types].sort(inFileOrder)
  const fail = (problem: string) => new SafetensorsError({ file, problems: [problem] })
  const unwritable = (error: PlatformError) => fail(`cannot be written: ${platformReason(error)}`)
  const write = (handle: FileSystem.File) =>
    Effect.gen(function* () {
      yield* handle.writeAll(encodeHeader(entries, metadata)).pipe(Effect.mapError(unwritable))
      const { add, end } = gathering((some) => Effect.mapError(handle.writeAll(some), unwritable))
      const what = `writing ${file.replace(/^.*[/\\]/s, "")}`
      for (const [done, [name, type]] of entries.entries()) {
        yield* working(what, { done, of: entries.length, unit: "tensors" })
        const tensorBytes = yield* bytes(name)
        const expected = byteSize(type)
        if (tensorBytes.length !== expected) {
          return yield* fail(
            `tensor ${name}: ${type.dtype} of shape [${type.shape}] is ${expected} bytes, ${tensorBytes.length} given`
          )
        }
        yield* add(tensorBytes)
      }
      yield* end
    })
  return replaceFile(file, write, unwritable)
}

/** Bytes per write for small tensors. */
const GATHERED = 2 ** 22

/**
 * Combines small tensors into one write: during training, a write waits for a turn of the event loop, of which there are twenty per second, and a
 * checkpoint has hundreds of tensors.
 */
const gathering = <E>(write: (bytes: Uint8Array) => Effect.Effect<void, E>) => {
  const gathered = new Uint8Array(GATHERED)
  let used = 0
  const end = Effect.suspend(() => {
    const bytes = gathered.subarray(0, used)
    used = 0
    return bytes.length === 0 ? Effect.void : write(bytes)
  })
  const add = (bytes: Uint8Array): Effect.Effect<void, E> =>
    Effect.gen(function* () {
      if (bytes.length > GATHERED - used) yield* end
      if (bytes.length > GATHERED) return yield* write(bytes)
      gathered.set(bytes, used)
      used += bytes.length
    })
  return { add, end }
}

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, n) => product * n, 1)

const byteSize = ({ dtype, shape }: TensorType): number => sizeOf(shape) * bytesPerElement[dtype]

/** Compares tensors for file order: wider types first, so that each tensor begins at a multiple of its element's size; then by name. */
const inFileOrder = ([a, { dtype: one }]: readonly [string, TensorType], [b, other]: readonly [string, TensorType]) =>
  bytesPerElement[other.dtype] - bytesPerElement[one] || (a < b ? -1 : 1)

/** Length prefix and JSON. */
const encodeHeader = (
  types: ReadonlyArray<readonly [string, TensorType]>,
  metadata: Readonly<Record<string, string>>
): Uint8Array => {
  let offset = 0
  const entries = types.map(([name, type]) => {
    const begin = offset
    offset += byteSize(type)
    return [name, { dtype: type.dtype, shape: type.shape, data_offsets: [begin, offset] }] as const
  })
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1))
  const described = sorted.length === 0 ? entries : [["__metadata__", Object.fromEntries(sorted)] as const, ...entries]
  // written pair by pair: an object would move integer-like names to the front
  const json = `{${described.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`
  const text = new TextEncoder().encode(json)
  const padded = Math.ceil(text.length / 8) * 8
  const bytes = new Uint8Array(8 + padded).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.set(text, 8)
  return bytes
}
