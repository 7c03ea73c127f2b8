/**
 * Frozen matrices that stay in their file, mapped read-only: native kernels read them there, in the file's own type (`c/file-types.h`), so
 * they take no memory of the process, loading them takes no time, and processes share them. Every product has the bits of the same matrix in
 * float32.
 *
 * Their words are int32 [out, 2], a word of 64 bits for each row: its machine address in the lower 48 bits, its type in the upper ones.
 */
import * as tf from "@tensorflow/tfjs-core"
import type { MatrixShape } from "../numbers/index.ts"
import type { PackedMatrix } from "../tensors/index.ts"
import { type MappedFile, wasmEngineOf } from "./wasm/engine.ts"

interface FileType {
  /** in the upper bits of a row's word */
  readonly code: number
  /** values of a block, and its bytes */
  readonly values: number
  readonly bytes: number
}

/** By their names in safetensors and ggml; codes as in `c/file-types.h`. */
export const FILE_TYPES: Readonly<Record<string, FileType>> = {
  F32: { code: 0, values: 1, bytes: 4 },
  F16: { code: 1, values: 1, bytes: 2 },
  BF16: { code: 2, values: 1, bytes: 2 },
  Q8_0: { code: 3, values: 32, bytes: 34 },
  Q4_0: { code: 4, values: 32, bytes: 18 },
  Q4_1: { code: 5, values: 32, bytes: 20 },
  Q4_K: { code: 6, values: 256, bytes: 144 },
  Q5_K: { code: 7, values: 256, bytes: 176 },
  Q6_K: { code: 8, values: 256, bytes: 210 }
}

/** Returns what maps files for the current backend, or undefined if its kernels read no mapped files. */
export const fileMapper = (): ((file: string, bytes: number) => MappedFile) | undefined =>
  wasmEngineOf(tf.backend())?.mapFile

/** Bytes of a row; undefined if kernels do not read this type, or rows of this length, at such a place. */
export const bytesOfFileRow = (type: string, columns: number, begin: number): number | undefined => {
  const fileType = Object.hasOwn(FILE_TYPES, type) ? FILE_TYPES[type]! : undefined
  if (fileType === undefined || columns % fileType.values !== 0) return undefined
  // blocks begin with a half
  const isAligned = begin % (fileType.values === 1 ? fileType.bytes : 2) === 0
  return isAligned ? (columns / fileType.values) * fileType.bytes : undefined
}

/** Returns a matrix whose row `i` is row `order[i]` of the file's, which begin at machine address `address`. The caller owns its tensor. */
export const mappedMatrix = (type: string, address: number, shape: MatrixShape, order?: Int32Array): PackedMatrix => {
  const [out, columns] = shape
  const { code } = FILE_TYPES[type]!
  const bytes = bytesOfFileRow(type, columns, address)!
  const words = new Int32Array(2 * out)
  for (let row = 0; row < out; row++) {
    const at = address + (order?.[row] ?? row) * bytes
    words[2 * row] = (at % 2 ** 32) | 0
    words[2 * row + 1] = (code << 16) | Math.floor(at / 2 ** 32)
  }
  return { packing: "mapped", words: tf.tensor2d(words, [out, 2], "int32"), scales: null, shape }
}
