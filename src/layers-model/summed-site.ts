/** One site of a sum of adapters: ΔW = Σ wₖ sₖ BₖAₖ, read from the device and worked out on the host. */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { LinearSite } from "../tensors/index.ts"
import { type DeviceReadError, readTensor, tidy } from "../tensors/index.ts"
import type { HeldAdapter } from "./held-adapter.ts"
import { type Product, type Size, squaredDistance, squaredNorm, summed, truncated } from "./low-rank.ts"

/** An adapter and how much of it goes into the sum; −1 takes it away. */
export interface Term {
  readonly name: string
  readonly weight: number
  readonly adapter: HeldAdapter
}

export interface SummedSite {
  readonly site: LinearSite
  /** as it is kept: rounded to float32 */
  readonly product: Product
  /** ‖Σ wₖ ΔWₖ‖² */
  readonly squared: number
  /** ‖ΔW − Σ wₖ ΔWₖ‖² */
  readonly lost: number
}

/** `most`: the rank that it may have. */
export const summedSite = (
  site: LinearSite,
  terms: ReadonlyArray<Term>,
  most: number
): Effect.Effect<SummedSite, DeviceReadError> =>
  Effect.gen(function* () {
    const size: Size = [site.out, site.in]
    const products: Array<readonly [number, Product]> = []
    for (const { weight, adapter } of terms) {
      const own = yield* scaledProduct(site, adapter)
      if (own !== undefined) products.push([weight * own.scale, own.product])
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
    const part = adapted.parts(adapted.trainable).find((one) => one.site.name === site.name)?.part
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
