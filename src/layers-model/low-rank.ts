/**
 * Sums of low-rank products on the host, in float64:
 *
 *   Σ wₖ Bₖ Aₖ = [w₁B₁ w₂B₂ …] [A₁; A₂; …]         exact, of rank Σ rₖ
 *   BA = Q_b (R_b R_aᵀ) Q_aᵀ,  R_b R_aᵀ ≈ U S Vᵀ   the nearest of a lower rank (Eckart & Young 1936):
 *   B′ = Q_b U √S,  A′ = √S Vᵀ Q_aᵀ                one small matrix is decomposed, none of the size of W is formed
 */
import { times, timesTransposed, transposed } from "../linalg/dense-products.ts"
import { qrOfColumns } from "../linalg/householder-qr.ts"
import { truncatedSvd } from "../linalg/truncated-svd.ts"

/** BA with A [rank, in] and B [out, rank], row-major. */
export interface Product {
  readonly A: Float64Array
  readonly B: Float64Array
  readonly rank: number
}

/** [out, in] of BA. */
export type Size = readonly [out: number, inputs: number]

/** Σ wₖ Bₖ Aₖ as one product. */
export const summed = (
  terms: ReadonlyArray<readonly [weight: number, product: Product]>,
  [out, inputs]: Size
): Product => {
  const rank = terms.reduce((total, [, product]) => total + product.rank, 0)
  const A = new Float64Array(rank * inputs)
  const B = new Float64Array(out * rank)
  let from = 0
  for (const [weight, product] of terms) {
    A.set(product.A, from * inputs)
    for (let i = 0; i < out; i++) {
      for (let j = 0; j < product.rank; j++) B[i * rank + from + j] = weight * product.B[i * product.rank + j]!
    }
    from += product.rank
  }
  return { A, B, rank }
}

/** Orthonormal bases of both sides (rows of Qa [ka, in] and Qb [kb, out]), and BA between them: core [kb, ka]. */
const decomposed = ({ A, B, rank }: Product, [out, inputs]: Size) => {
  const right = qrOfColumns(Float64Array.from(A), inputs, rank)
  const left = qrOfColumns(transposed(B, out, rank), out, rank)
  const [kb, ka] = [Math.min(out, rank), Math.min(inputs, rank)]
  return { Qa: right.Q, Qb: left.Q, ka, kb, core: timesTransposed(left.R, right.R, kb, ka, rank) }
}

/** The nearest product of this rank, at most min(out, in) and the product's own. */
export const truncated = (product: Product, size: Size, rank: number): Product => {
  const [out, inputs] = size
  const { Qa, Qb, ka, kb, core } = decomposed(product, size)
  const { U, S, V } = truncatedSvd(core, [kb, ka], rank)
  const root = S.map(Math.sqrt)
  const scaled = (columns: Float64Array) => columns.map((value, i) => value * root[i % rank]!)
  return {
    A: times(transposed(scaled(V), ka, rank), Qa, rank, inputs, ka),
    B: times(transposed(Qb, kb, out), scaled(U), out, rank, kb),
    rank
  }
}

/** ‖BA‖² (Frobenius). */
export const squaredNorm = (product: Product, size: Size): number => {
  let sum = 0
  for (const entry of decomposed(product, size).core) sum += entry * entry
  return sum
}

/** ‖BA − B′A′‖² of two products. */
export const squaredDistance = (one: Product, other: Product, size: Size): number =>
  squaredNorm(
    summed(
      [
        [1, one],
        [-1, other]
      ],
      size
    ),
    size
  )
