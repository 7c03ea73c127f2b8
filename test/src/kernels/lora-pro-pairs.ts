/** Factor pairs for the kernels of LoRA-Pro: lists of shapes with everything in them that a size can do wrong. */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type Whitening, whitenPairs } from "../../../src/optimizers/whitening.ts"
import type { FactorPair } from "../../../src/tensors/trainable.ts"
import { normals } from "./float64.ts"

/** out, in, r */
export type PairShape = readonly [number, number, number]

/** Ranks mixed, rank 1, r = out, sizes that no SIMD width divides; several parts of rows; more pairs than one piece of work takes. */
export const lists: ReadonlyArray<ReadonlyArray<PairShape>> = [
  [
    [6, 9, 2],
    [8, 5, 3],
    [1, 1, 1],
    [16, 16, 1],
    [5, 13, 5],
    [24, 12, 12]
  ],
  [
    [131, 70, 4],
    [37, 150, 13],
    [200, 96, 8]
  ],
  Array.from({ length: 80 }, (_, i) => [3 + (i % 5), 2 + (i % 7), 1 + (i % 2)] as const)
]

const matrix = (rows: number, columns: number, name: string, size: number): tf.Tensor2D =>
  tf.tensor2d(normals(rows * columns, name, size), [rows, columns])

export const pairsOf = (shapes: ReadonlyArray<PairShape>, name: string, size = 1): ReadonlyArray<FactorPair> =>
  shapes.map(([out, columns, r], i) => ({
    site: { name: `${name}${i}`, kind: "dense", out, in: columns },
    A: matrix(r, columns, `${name}A${i}`, size),
    B: matrix(out, r, `${name}B${i}`, size),
    scale: 1 + (i % 3)
  }))

/** Those of a factor pair whose B is what one starts from. */
export const withoutB = (pairs: ReadonlyArray<FactorPair>): ReadonlyArray<FactorPair> =>
  pairs.map((pair) => ({ ...pair, B: tf.zerosLike(pair.B) }))

export const whiteningsOf = (pairs: ReadonlyArray<FactorPair>, damping = 1e-8): Promise<ReadonlyArray<Whitening>> =>
  Effect.runPromise(whitenPairs(pairs, damping)).then(({ whitenings }) => whitenings)
