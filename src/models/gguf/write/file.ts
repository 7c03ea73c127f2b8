/**
 * A GGUF file, written one tensor at a time: what `parse-header.ts` reads, in version 3, little-endian, aligned to 32 bytes.
 *
 * `@huggingface/gguf` 0.4.6 has a serializer of metadata, but none of the descriptions of tensors (it copies those of a file that exists), and
 * its metadata is an object, which reorders keys that look like numbers. Here a value is its bytes: what a base's file holds is copied as
 * it is, with the types that it has there.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { type FileError, fileError, replaceFile } from "../../../files/index.ts"
import { working } from "../../../progress/index.ts"
import type { WritableType } from "./blocks.ts"
import { type EncodedValue, joined, stringBytes, u32Bytes, u64Bytes } from "./values.ts"

/** A tensor to store; its values are read when it is written. */
export interface TensorToStore<E, R> {
  /** shape, row-major; a row consists of whole blocks of the type */
  readonly shape: ReadonlyArray<number>
  readonly type: WritableType
  readonly values: Effect.Effect<Float32Array, E, R>
}

const ALIGNMENT = 32
const aligned = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT

const sizeOf = ({ shape, type }: Pick<TensorToStore<never, never>, "shape" | "type">): number =>
  (shape.reduce((product, n) => product * n, 1) / type.elements) * type.bytes

/** Returns the bytes before the tensors, which follow in order. */
export const ggufHeader = (
  metadata: ReadonlyMap<string, EncodedValue>,
  tensors: ReadonlyMap<string, Pick<TensorToStore<never, never>, "shape" | "type">>
): Uint8Array => {
  const keys = [...metadata].flatMap(([key, value]) => [stringBytes(key), value])
  const descriptions: Array<Uint8Array> = []
  let offset = 0
  for (const [name, tensor] of tensors) {
    const dimensions = [...tensor.shape].reverse()
    descriptions.push(
      stringBytes(name),
      u32Bytes(dimensions.length),
      ...dimensions.map(u64Bytes),
      u32Bytes(tensor.type.id),
      u64Bytes(offset)
    )
    offset += aligned(sizeOf(tensor))
  }
  const magic = new TextEncoder().encode("GGUF")
  const head = joined([magic, u32Bytes(3), u64Bytes(tensors.size), u64Bytes(metadata.size), ...keys, ...descriptions])
  const padded = new Uint8Array(aligned(head.length))
  padded.set(head)
  return padded
}

/**
 * Writes `file`. `bytesOf`: returns a tensor's bytes, which its type's `encode` creates, or why its values cannot be stored. Holds one tensor at
 * a time.
 */
export const writeGguf = <E, F, R>(
  file: string,
  metadata: ReadonlyMap<string, EncodedValue>,
  tensors: ReadonlyMap<string, TensorToStore<E, R>>,
  bytesOf: (name: string, tensor: TensorToStore<E, R>) => Effect.Effect<Uint8Array, F, R>
): Effect.Effect<void, F | FileError, R | FileSystem.FileSystem> => {
  const failed = fileError("write", file)
  return replaceFile<F | FileError, R>(
    file,
    (handle) =>
      Effect.gen(function* () {
        const write = (some: Uint8Array) =>
          some.length === 0 ? Effect.void : Effect.mapError(handle.writeAll(some), failed)
        yield* write(ggufHeader(metadata, tensors))
        const what = `writing ${file.replace(/^.*[/\\]/s, "")}`
        for (const [done, [name, tensor]] of [...tensors].entries()) {
          yield* working(what, { done, of: tensors.size, unit: "tensors" })
          const bytes = yield* bytesOf(name, tensor)
          yield* write(bytes)
          yield* write(new Uint8Array(aligned(bytes.length) - bytes.length))
        }
      }),
    failed
  )
}
