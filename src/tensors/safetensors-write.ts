/**
 * Writes float32 tensors as a safetensors file, byte for byte what the Python library writes: names sorted, compact JSON padded
 * with spaces to a multiple of eight bytes, no gap. Same tensors, same file. The old file, if any, stands until the new one is
 * complete and flushed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { SafetensorsError } from "./safetensors-header.ts"
import type { HostTensor } from "./safetensors-read.ts"

/** Fails where a tensor's shape and data disagree, or the file cannot be written. */
export const writeSafetensors = (
  file: string,
  tensors: Readonly<Record<string, HostTensor>>,
  metadata: Readonly<Record<string, string>> = {}
): Effect.Effect<void, SafetensorsError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const names = Object.keys(tensors).sort()
    const problems = names.flatMap((name) => {
      const { shape, data } = tensors[name]!
      const size = shape.reduce((product, n) => product * n, 1)
      return size === data.length
        ? []
        : [`tensor ${name}: shape [${shape}] needs ${size} numbers, ${data.length} given`]
    })
    if (problems.length > 0) return yield* new SafetensorsError({ file, problems })
    const header = encodeHeader(names, tensors, metadata)
    yield* replaceFile(file, (handle) =>
      Effect.gen(function* () {
        yield* handle.writeAll(header)
        for (const name of names) {
          const { data } = tensors[name]!
          if (data.length > 0) {
            yield* handle.writeAll(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
          }
        }
      })
    ).pipe(
      Effect.mapError((error) => {
        const problem = `cannot be written: ${error.reason.message ?? error.reason._tag}`
        return new SafetensorsError({ file, problems: [problem] })
      })
    )
  })

/** Length prefix and JSON. */
const encodeHeader = (
  names: ReadonlyArray<string>,
  tensors: Readonly<Record<string, HostTensor>>,
  metadata: Readonly<Record<string, string>>
): Uint8Array => {
  let offset = 0
  const entries = names.map((name) => {
    const { shape, data } = tensors[name]!
    const begin = offset
    offset += data.byteLength
    return [name, { dtype: "F32", shape, data_offsets: [begin, offset] }] as const
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

/** Temporary name beside it, flush, rename: a reader finds the old file or the whole new one. */
const replaceFile = (
  file: string,
  write: (handle: FileSystem.File) => Effect.Effect<void, PlatformError>
): Effect.Effect<void, PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const temporary = `${file}.tmp-${process.pid}`
    const writeTemporary = Effect.gen(function* () {
      const handle = yield* fs.open(temporary, { flag: "w" })
      yield* write(handle)
      yield* handle.sync
    })
    yield* Effect.scoped(writeTemporary).pipe(
      Effect.andThen(fs.rename(temporary, file)),
      Effect.onError(() => Effect.ignore(fs.remove(temporary, { force: true })))
    )
  })
