/**
 * The Gram matrices BᵀB and AAᵀ of every factor pair, on the host in float64: all that LoRA-Pro has to know of its parameters before
 * a step. Where the device has kernels of our own (wasm, a GPU), they are made and used there (`src/kernels/whitening.ts`), and never read.
 *
 * Two ways, chosen by where the tensors live:
 *  - cpu, wasm: the factors already lie in host memory, so they are read and the products accumulated in float64. A float32 Gram
 *    is wrong by 1e-7 λ_max, ten times the damping of 1e-8: a nearly singular B would be decided by round-off.
 *  - any other device: a read waits for the queue, so the products are made there in float32 and fetched in ONE read.
 *
 * Shapes: B [out, r], A [r, in]; both Grams [r, r], row-major. Cost: r²/2 · (out + in) multiplications per pair.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { FactorPair } from "../tensors/index.ts"
import { type DeviceReadError, isHostResident, readTensor } from "../tensors/index.ts"

export interface Grams {
  readonly BtB: Float64Array // [r, r]
  readonly AAt: Float64Array // [r, r]
}

type Values = Float32Array | Int32Array | Uint8Array

/** M Mᵀ [rows, rows] of a row-major M [rows, columns]: one half, mirrored. */
export const gramOfRows = (values: ArrayLike<number>, rows: number, columns: number): Float64Array => {
  const gram = new Float64Array(rows * rows)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++) {
      const gi = i * columns
      const gj = j * columns
      let sum = 0
      for (let k = 0; k < columns; k++) sum += values[gi + k]! * values[gj + k]!
      gram[i * rows + j] = sum
      gram[j * rows + i] = sum
    }
  }
  return gram
}

/** Mᵀ M [columns, columns] of a row-major M [rows, columns]. Transposed first: products of contiguous rows are much faster. */
export const gramOfColumns = (values: ArrayLike<number>, rows: number, columns: number): Float64Array => {
  const transposed = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) transposed[j * rows + i] = values[i * columns + j]!
  }
  return gramOfRows(transposed, columns, rows)
}

const gramsOf = (pair: FactorPair): Effect.Effect<Grams, DeviceReadError> =>
  Effect.gen(function* () {
    const [r, columns] = pair.A.shape
    const B = yield* readTensor(pair.B, `factor B of ${pair.site.name}`)
    const A = yield* readTensor(pair.A, `factor A of ${pair.site.name}`)
    return { BtB: gramOfColumns(B, pair.B.shape[0], r), AAt: gramOfRows(A, r, columns) }
  })

/** Reads the factors and accumulates in float64. */
export const gramsOnHost = (pairs: ReadonlyArray<FactorPair>): Effect.Effect<ReadonlyArray<Grams>, DeviceReadError> =>
  Effect.forEach(pairs, gramsOf)

const split = (values: Values, pairs: ReadonlyArray<FactorPair>): ReadonlyArray<Grams> => {
  let at = 0
  return pairs.map((pair) => {
    const size = pair.A.shape[0] ** 2
    const BtB = Float64Array.from(values.subarray(at, at + size))
    const AAt = Float64Array.from(values.subarray(at + size, at + 2 * size))
    at += 2 * size
    return { BtB, AAt }
  })
}

/** Multiplies where the factors are, in float32, and reads once. */
export const gramsOnDevice = (pairs: ReadonlyArray<FactorPair>): Effect.Effect<ReadonlyArray<Grams>, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() =>
        tf.concat(
          pairs.flatMap(({ A, B }) => [tf.matMul(B, B, true, false).flatten(), tf.matMul(A, A, false, true).flatten()])
        )
      )
    ),
    (flat) => Effect.map(readTensor(flat, `the Gram matrices of ${pairs.length} factor pairs`), (v) => split(v, pairs)),
    (flat) => Effect.sync(() => flat.dispose())
  )

/** Both Grams of every pair, in the order of `pairs`. Fails with `DeviceReadError` where a read fails. */
export const readGrams = (pairs: ReadonlyArray<FactorPair>): Effect.Effect<ReadonlyArray<Grams>, DeviceReadError> => {
  if (pairs.length === 0) return Effect.succeed([])
  return isHostResident() ? gramsOnHost(pairs) : gramsOnDevice(pairs)
}
