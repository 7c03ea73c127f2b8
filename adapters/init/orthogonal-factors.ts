/** The factors of `orthogonal.ts`, which has their formulas. */
import * as tf from "@tensorflow/tfjs-core"
import { householderQr, times, transposed } from "../../src/linalg/index.ts"
import { gaussian as normal, type Random } from "../../src/numbers/index.ts"
import type { Factors, LinearSite } from "../../src/tensors/index.ts"

/** An orthogonal matrix [n, n], uniformly distributed: Q of normal numbers, with a positive diagonal in R. */
const randomOrthogonal = (n: number, random: Random): Float64Array =>
  householderQr(
    Float64Array.from({ length: n * n }, () => normal(random)),
    [n, n]
  ).Q

/** N·(rows of this parity) / 10: [size, r]. */
const half = (Q: Float64Array, rank: number, parity: 0 | 1, size: number, random: Random): Float64Array => {
  const rows = Float64Array.from(
    { length: (rank / 2) * rank },
    (_, i) => Q[(2 * Math.floor(i / rank) + parity) * rank + (i % rank)]!
  )
  const numbers = Float64Array.from({ length: (size * rank) / 2 }, () => normal(random) / 10)
  return times(numbers, rows, size, rank, rank / 2)
}

/** Returns A [rank, in] and B [out, rank] as new tensors. */
export const orthogonalFactors = (site: LinearSite, rank: number, random: Random): Factors => {
  const Q = randomOrthogonal(rank, random)
  const A = transposed(half(Q, rank, 0, site.in, random), site.in, rank)
  const B = half(Q, rank, 1, site.out, random)
  return {
    A: tf.tensor2d(Float32Array.from(A), [rank, site.in]),
    B: tf.tensor2d(Float32Array.from(B), [site.out, rank])
  }
}
