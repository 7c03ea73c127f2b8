/**
 * Reads tensors of safetensors files as float32 on the host, one at a time: a reader that passes each to the device holds one tensor, not a file.
 * Integers beyond 2²⁴ and float64 lose the precision that float32 does not have.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { readExactly } from "../files/index.ts"
import { fromBfloat16, fromFloat16 } from "../numbers/index.ts"
import { working } from "../progress/index.ts"
import { type Dtype, readHeader, SafetensorsError, type StoredTensor, unreadable } from "./header.ts"

export interface HostTensor {
  /** dimensions; a linear weight is [out, in] */
  readonly shape: ReadonlyArray<number>
  /** values in row-major order */
  readonly data: Float32Array
}

/** Reads `tensors` file by file in the order of their bytes and passes each to `use`. `what` labels the work for listeners. */
export const forEachTensor = <E, R>(
  tensors: Iterable<StoredTensor>,
  use: (tensor: HostTensor, stored: StoredTensor) => Effect.Effect<void, E, R>,
  what = "loading the weights"
): Effect.Effect<void, E | SafetensorsError, R | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const all = [...tensors]
    const files = Map.groupBy(all, (tensor) => tensor.file)
    let done = 0
    for (const [file, stored] of files) {
      const readAll = Effect.gen(function* () {
        const handle = yield* fs.open(file).pipe(Effect.mapError(unreadable(file)))
        for (const tensor of stored.sort((a, b) => a.begin - b.begin)) {
          if (all.length > 1) yield* working(what, { done: done++, of: all.length, unit: "tensors" })
          yield* use(yield* readTensorAt(handle, tensor), tensor)
        }
      })
      yield* Effect.scoped(readAll)
    }
  })

const readTensorAt = (handle: FileSystem.File, stored: StoredTensor) =>
  Effect.map(readBytesAt(handle, stored), (bytes) => ({
    shape: stored.shape,
    data: decode[stored.dtype](bytes.buffer)
  }))

const readBytesAt = (handle: FileSystem.File, { file, name, begin, end }: StoredTensor) =>
  Effect.gen(function* () {
    const bytes = yield* readExactly(handle, begin, end - begin).pipe(Effect.mapError(unreadable(file)))
    if (bytes.length === end - begin) return bytes
    const problem = `truncated while it was read: tensor ${name} needs ${end - begin} bytes, ${bytes.length} are left`
    return yield* new SafetensorsError({ file, problems: [problem] })
  })

/** Reads the stored bytes of one tensor, without conversion. */
export const readStoredBytes = (
  stored: StoredTensor
): Effect.Effect<Uint8Array<ArrayBuffer>, SafetensorsError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const handle = yield* fs.open(stored.file).pipe(Effect.mapError(unreadable(stored.file)))
    return yield* readBytesAt(handle, stored)
  }).pipe(Effect.scoped)

/** Reads one tensor as float32. */
export const readStored = (stored: StoredTensor): Effect.Effect<HostTensor, SafetensorsError, FileSystem.FileSystem> =>
  Effect.map(readStoredBytes(stored), ({ buffer }) => ({ shape: stored.shape, data: decode[stored.dtype](buffer) }))

/** Reads all tensors of one file, or only those in `names`. Fails if a name is not in the file. */
export const readTensors = (
  file: string,
  names?: ReadonlyArray<string>
): Effect.Effect<ReadonlyMap<string, HostTensor>, SafetensorsError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { tensors } = yield* readHeader(file)
    const problems = (names ?? [])
      .filter((name) => !tensors.has(name))
      .map((name) => `has no tensor ${name}; it has ${[...tensors.keys()].slice(0, 5).join(", ")} … (${tensors.size})`)
    if (problems.length > 0) return yield* new SafetensorsError({ file, problems })
    const wanted = names === undefined ? [...tensors.values()] : names.map((name) => tensors.get(name)!)
    const read = new Map<string, HostTensor>()
    yield* forEachTensor(wanted, (tensor, { name }) => Effect.sync(() => void read.set(name, tensor)))
    return read
  })

/** Converts bytes to float32. Every supported engine is little-endian, as the format is. */
const decode: { readonly [D in Dtype]: (bytes: ArrayBuffer) => Float32Array } = {
  F32: (bytes) => new Float32Array(bytes),
  F64: (bytes) => new Float32Array(new Float64Array(bytes)),
  F16: (bytes) => fromFloat16(new Uint16Array(bytes)),
  BF16: (bytes) => fromBfloat16(new Uint16Array(bytes)),
  I64: (bytes) => Float32Array.from(new BigInt64Array(bytes), Number),
  U64: (bytes) => Float32Array.from(new BigUint64Array(bytes), Number),
  I32: (bytes) => new Float32Array(new Int32Array(bytes)),
  U32: (bytes) => new Float32Array(new Uint32Array(bytes)),
  I16: (bytes) => new Float32Array(new Int16Array(bytes)),
  U16: (bytes) => new Float32Array(new Uint16Array(bytes)),
  I8: (bytes) => new Float32Array(new Int8Array(bytes)),
  U8: (bytes) => new Float32Array(new Uint8Array(bytes)),
  BOOL: (bytes) => new Float32Array(new Uint8Array(bytes))
}
