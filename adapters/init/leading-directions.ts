/**
 * Computes leading singular directions of a matrix on the device, reading only thin products: G ≈ U diag(S) Vᵀ.
 *
 * Randomised as in `truncated-svd.ts` (Halko, Martinsson & Tropp 2011, arXiv 0909.4061): four power iterations, and twice as many
 * directions as are asked for, as LoRA-GA's authors and PEFT do. G takes part in 10 products of float32 where it is; the host makes
 * the thin factors orthonormal and decomposes what G is within them, in float64. A matrix with no more directions than that is read
 * and decomposed exactly.
 *
 * Shapes: G [m, n]; L [k, m] and R [k, n], k directions as rows.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { qrOfColumns, type TruncatedSvd, times, transposed, truncatedSvd } from "../../src/linalg/index.ts"
import type { Random } from "../../src/numbers/index.ts"
import { type DeviceReadError, readTensor } from "../../src/tensors/index.ts"

/** Reason that a matrix has no leading directions. */
export type Directionless = "zero" | "not finite"

const POWER_ITERATIONS = 4
// fewer would be few for the smallest ranks
const FEWEST_MORE = 10

/** Returns the `rank` leading directions of G, largest first, with the signs of `truncatedSvd`. Disposes G. `what`: G's name in read errors. */
export const leadingDirections = (
  G: Tensor2D,
  rank: number,
  random: Random,
  what: string
): Effect.Effect<TruncatedSvd | Directionless, DeviceReadError> =>
  Effect.gen(function* () {
    // a decomposition may take a second: signals are heard between two
    yield* Effect.sleep(0)
    const [m, n] = G.shape
    const k = rank + Math.max(rank, FEWEST_MORE)
    if (k >= Math.min(m, n)) {
      const values = yield* readTensor(G, what)
      return directionless(values) ?? truncatedSvd(values as Float32Array, G.shape, rank)
    }
    /** L = RGᵀ, or R = LG */
    const product = (rows: Float64Array, side: "left" | "right") =>
      Effect.suspend(() => {
        const thin = tf.tidy(() =>
          tf.matMul(tf.tensor2d(Float32Array.from(rows), [k, rows.length / k]), G, false, side === "left")
        )
        return readTensor(thin, what).pipe(Effect.ensuring(Effect.sync(() => thin.dispose())))
      })
    const first = yield* product(uniform(k * n, random), "left")
    const nothing = directionless(first)
    if (nothing !== undefined) return nothing
    let L = orthonormal(first, m, k)
    for (let i = 0; i < POWER_ITERATIONS; i++) {
      const R = orthonormal(yield* product(L, "right"), n, k)
      L = orthonormal(yield* product(R, "left"), m, k)
    }
    const within = truncatedSvd((yield* product(L, "right")) as Float32Array, [k, n], rank)
    return { ...within, U: times(transposed(L, k, m), within.U, m, rank, k) }
  }).pipe(Effect.ensuring(Effect.sync(() => G.dispose())))

/** Integer arithmetic, hence the same in every engine. */
const uniform = (length: number, random: Random): Float64Array => Float64Array.from({ length }, () => 2 * random() - 1)

const orthonormal = (rows: ArrayLike<number>, length: number, count: number): Float64Array =>
  qrOfColumns(new Float64Array(rows), length, count).Q

const directionless = (values: ArrayLike<number>): Directionless | undefined => {
  let zero = true
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]!)) return "not finite"
    zero &&= values[i] === 0
  }
  return zero ? "zero" : undefined
}
