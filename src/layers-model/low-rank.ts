/**
 * Sums of low-rank products on the host, in float64:
 *
 *   Σ wₖ Bₖ Aₖ = [w₁B₁ w₂B₂ …] [A₁; A₂; …]         exact, of rank Σ rₖ
 *   BA = Q_b (R_b R_aᵀ) Q_aᵀ,  R_b R_aᵀ ≈ U S Vᵀ   the nearest of a lower rank (Eckart & Young 1936):
 *   B′ = Q_b U √S,  A′ = √S Vᵀ Q_aᵀ                one small matrix is decomposed, none of the size of W is formed
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { qrOfColumns, times, timesTransposed, transposed, truncatedSvd } from "../linalg/index.ts"
import { type DeviceReadError, type LinearSite, readTensor, tidy } from "../tensors/index.ts"
import type { HeldAdapter } from "./held-adapter.ts"

/** A product BA with A [rank, in] and B [out, rank], row-major. */
export interface Product {
  readonly A: Float64Array
  readonly B: Float64Array
  readonly rank: number
}

/** Shape [out, in] of BA. */
export type Size = readonly [out: number, inputs: number]

/** Returns Σ wₖ Bₖ Aₖ as one product. */
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

/** Returns the nearest product of this rank, at most min(out, in) and the product's own rank. */
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

/** Returns ‖BA‖² (Frobenius norm). */
export const squaredNorm = (product: Product, size: Size): number => {
  let sum = 0
  for (const entry of decomposed(product, size).core) sum += entry * entry
  return sum
}

/** Returns ‖BA − B′A′‖² of two products. */
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

/** An adapter and its weight in the sum; −1 subtracts it. */
export interface Term {
  readonly name: string
  readonly weight: number
  readonly adapter: HeldAdapter
}

export interface SummedSite {
  readonly site: LinearSite
  /** the sum as stored: rounded to float32 */
  readonly product: Product
  /** ‖Σ wₖ ΔWₖ‖² */
  readonly squared: number
  /** ‖ΔW − Σ wₖ ΔWₖ‖² */
  readonly lost: number
}

/** Returns the sum at one layer. `most`: its largest rank. */
export const summedSite = (
  site: LinearSite,
  terms: ReadonlyArray<Term>,
  most: number
): Effect.Effect<SummedSite, DeviceReadError> =>
  Effect.gen(function* () {
    const size: Size = [site.out, site.in]
    const products: Array<readonly [number, Product]> = []
    for (const { weight, adapter } of terms) {
      const product = yield* scaledProduct(site, adapter)
      if (product !== undefined) products.push([weight * product.scale, product.product])
    }
    const sum = summed(products, size)
    const rank = Math.min(sum.rank, most, site.out, site.in)
    const exact = rank === sum.rank ? sum : truncated(sum, size, rank)
    const product = { rank, A: exact.A.map(Math.fround), B: exact.B.map(Math.fround) }
    return { site, product, squared: squaredNorm(sum, size), lost: squaredDistance(sum, product, size) }
  })

/** s and BA of a site, where the adapter has one. */
const scaledProduct = (site: LinearSite, { adapted }: HeldAdapter) =>
  Effect.gen(function* () {
    const { sum } = adapted.method
    const part = adapted.parts(adapted.trainable).find((one) => one.site.name === site.name)
    if (part === undefined || sum.by !== "factors") return undefined
    const { scale, ...factors } = tidy(() => {
      const { A, B, scale } = sum.factors(part)
      return { A: tf.clone(A), B: tf.clone(B), scale }
    })
    const read = Effect.gen(function* () {
      const A = Float64Array.from(yield* readTensor(factors.A, `factor A of ${site.name}`))
      const B = Float64Array.from(yield* readTensor(factors.B, `factor B of ${site.name}`))
      return { scale, product: { A, B, rank: factors.A.shape[0]! } }
    })
    return yield* Effect.ensuring(
      read,
      Effect.sync(() => tf.dispose([factors.A, factors.B]))
    )
  })
