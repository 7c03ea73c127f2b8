/**
 * Small matrices that reduce LoRA-Pro's theorem and Riemannian preconditioning to a few well-scaled products: computed by
 * the package's kernels if the backend has them, in float64 or, on a GPU, in pairs of float32, else on the host in float64.
 *
 *   BᵀB = U Λ Uᵀ    T_B = U (Λ+δ)^-½    Q_B = B T_B     Q_B Q_Bᵀ = B (BᵀB+δI)⁻¹ Bᵀ = P_B    T_B T_Bᵀ = (BᵀB+δI)⁻¹
 *   AAᵀ = V M Vᵀ    T_A = V (M+δ)^-½    Q_A = T_Aᵀ A    Q_Aᵀ Q_A = Aᵀ (AAᵀ+δI)⁻¹ A = P_A
 *   S_ij = (μ_j+δ) / (λ_i+μ_j)          X = −T_B (S ⊙ P) T_Aᵀ with P = s⁻² T_Bᵀ g_A Q_Aᵀ solves BᵀB X + X AAᵀ = −s⁻² (BᵀB+δI)⁻¹ g_A Aᵀ
 *
 * Inverse Gram matrices are not used: rounded to float32 their error is 1e-7 · cond², that of their square roots only 1e-7 ·
 * cond.
 *
 * An eigenvalue that round-off made negative counts as 0; an inverse of exactly 0 (δ = 0 and a rank-deficient factor)
 * counts as 0, which is the pseudo-inverse; so does a zero λ_i + μ_j.
 *
 * Shapes: all [r, r].
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { type Whitened, type Whitening, whitenedOnDevice } from "../kernels/index.ts"
import { symmetricEigen } from "../linalg/index.ts"
import { type RankError, Ranks } from "../ranks/index.ts"
import { type DeviceReadError, type FactorPair, isHostResident, readTensor } from "../tensors/index.ts"
import { SHARED_FROM } from "./optimizer.ts"
import { type Conditioning, OfShape } from "./transform.ts"

export type { Whitening } from "../kernels/index.ts"

/** State of a transform that whitens, between two `refresh` calls. */
export type WhitenedState = {
  /** whitenings, in the order of the pairs; empty before the first refresh */
  readonly whitenings: ReadonlyArray<Whitening>
  /** λ_min(BᵀB) per pair at the last refresh; null before the first */
  readonly smallest: tf.Tensor1D | null
}

/** State before the first refresh. */
export const notWhitened: WhitenedState = { whitenings: [], smallest: null }

/** Returns the layout before and after the first refresh. */
export const whitenedLayout = (pairs: ReadonlyArray<FactorPair>, step: number) => {
  if (step === 0) return notWhitened as { readonly whitenings: readonly []; readonly smallest: null }
  const whitenings = pairs.map(
    ({
      A: {
        shape: [r]
      }
    }) => {
      const square = new OfShape([r, r])
      return { TB: square, TBgrad: square, TAt: square, TAgrad: square, S: square }
    }
  )
  return { whitenings, smallest: new OfShape([pairs.length]) }
}

/** Returns the whitenings of a refreshed state. Throws without one for each pair, which is a bug in the caller. */
export const whiteningsFor = (
  transform: string,
  { whitenings }: WhitenedState,
  pairs: ReadonlyArray<FactorPair>
): ReadonlyArray<Whitening> => {
  if (whitenings.length === pairs.length) return whitenings
  throw new Error(
    `${transform}: ${pairs.length} factor pairs, but ${whitenings.length} refreshed; ` +
      "run refresh(state, params) before update"
  )
}

/** Returns the health of a transform that whitens: none before the first refresh, and none without pairs. */
export const conditioningOf = (
  { smallest }: WhitenedState,
  pairs: ReadonlyArray<FactorPair>,
  damping: number
): ReadonlyArray<Conditioning> =>
  smallest === null || pairs.length === 0 ? [] : [{ sites: pairs.map(({ site }) => site.name), smallest, damping }]

/**
 * Returns roots T [pairs, r, r] with columns weighted by λ/(λ+δ): λ (λ+δ)^-3/2 instead of (λ+δ)^-½, so that directions missing from a factor
 * are 0 instead of δ^-½, which would multiply round-off.
 */
export const dampedRoots = (T: tf.Tensor3D, damping: number): tf.Tensor3D => {
  const share = tf.mul(tf.sum(tf.square(T), 1, true), damping) // δ/(λ+δ)
  return tf.mul(T, tf.relu(tf.sub(1, share)))
}

interface Spectrum {
  readonly values: Float64Array // clamped to ≥ 0
  readonly T: Float64Array // vectors · (values + δ)^-½
}

const spectrumOf = (gram: Float64Array, r: number, damping: number): Spectrum => {
  const { values, vectors } = symmetricEigen(gram, r)
  for (let j = 0; j < r; j++) {
    values[j] = Math.max(values[j]!, 0)
    const damped = values[j]! + damping
    const factor = damped > 0 ? 1 / Math.sqrt(damped) : 0
    for (let i = 0; i < r; i++) vectors[i * r + j] = vectors[i * r + j]! * factor
  }
  return { values, T: vectors }
}

const splitOf = (lambda: Float64Array, mu: Float64Array, r: number, damping: number): Float32Array => {
  const S = new Float32Array(r * r)
  for (let i = 0; i < r; i++) {
    for (let j = 0; j < r; j++) {
      const denominator = lambda[i]! + mu[j]!
      S[i * r + j] = denominator > 0 ? (mu[j]! + damping) / denominator : 0
    }
  }
  return S
}

const upload = (matrix: Float64Array, r: number, factor: number, transposed: boolean): tf.Tensor2D => {
  const values = new Float32Array(r * r)
  for (let i = 0; i < r; i++) {
    for (let j = 0; j < r; j++) values[i * r + j] = factor * matrix[transposed ? j * r + i : i * r + j]!
  }
  return tf.tensor2d(values, [r, r])
}

/** Whitens pairs on the host. `smallest`: λ_min(BᵀB), clamped to 0. The caller owns the tensors. */
export const whiten = (
  grams: Grams,
  scale: number,
  damping: number
): { readonly whitening: Whitening; readonly smallest: number } => {
  const r = Math.round(Math.sqrt(grams.BtB.length))
  const b = spectrumOf(grams.BtB, r, damping)
  const a = spectrumOf(grams.AAt, r, damping)
  const perScale = 1 / (scale * scale)
  return {
    whitening: {
      TB: upload(b.T, r, 1, false),
      TBgrad: upload(b.T, r, perScale, true),
      TAt: upload(a.T, r, 1, true),
      TAgrad: upload(a.T, r, perScale, false),
      S: tf.tensor2d(splitOf(b.values, a.values, r, damping), [r, r])
    },
    smallest: b.values[0] ?? 0
  }
}

const onHost = (grams: ReadonlyArray<Grams>, pairs: ReadonlyArray<FactorPair>, damping: number): Whitened => {
  const made = grams.map((gram, i) => whiten(gram, pairs[i]!.scale, damping))
  return {
    whitenings: made.map(({ whitening }) => whitening),
    smallest: tf.tensor1d(made.map(({ smallest }) => smallest))
  }
}

/**
 * Whitens pairs on their device: on wasm and on a GPU nothing is read, for any number of pairs. Elsewhere, and on a GPU
 * for a rank above 256 or factors beyond its binding limit, their Gram matrices are read and whitened on the host. The ranks of a run divide
 * expensive pairs. The caller owns the tensors. Fails with `DeviceReadError` if a read fails.
 */
export const whitenPairs = (
  pairs: ReadonlyArray<FactorPair>,
  damping: number
): Effect.Effect<Whitened, DeviceReadError | RankError> =>
  Effect.flatMap(Ranks, (ranks) =>
    ranks.size > 1 && isHostResident() && pairs.some(({ A }) => A.shape[0] >= SHARED_FROM)
      ? Effect.flatMap(
          Effect.promise(() => import("./whitenings-among.ts")),
          ({ whitenAmong }) => whitenAmong(ranks, pairs, (rankPairs) => whitenHere(rankPairs, damping))
        )
      : whitenHere(pairs, damping)
  )

const whitenHere = (pairs: ReadonlyArray<FactorPair>, damping: number): Effect.Effect<Whitened, DeviceReadError> =>
  Effect.suspend(() => {
    const whitened = whitenedOnDevice(pairs, damping)
    if (whitened !== undefined) return Effect.succeed(whitened)
    return Effect.map(readGrams(pairs), (grams) => onHost(grams, pairs, damping))
  })

interface Grams {
  readonly BtB: Float64Array // [r, r]
  readonly AAt: Float64Array // [r, r]
}

type Values = Float32Array | Int32Array | Uint8Array

/** Returns M Mᵀ [rows, rows] of a row-major M [rows, columns]: computes one half and mirrors it. */
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

/** Returns Mᵀ M [columns, columns] of a row-major M [rows, columns]. Transposes first: products of contiguous rows are much faster. */
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

/** Reads the factors and computes their Gram matrices on the host in float64. */
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

/** Computes the Gram matrices on the device in float32, and reads them once. */
export const gramsOnDevice = (pairs: ReadonlyArray<FactorPair>): Effect.Effect<ReadonlyArray<Grams>, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() =>
        tf.concat(
          pairs.flatMap(({ A, B }) =>
            [tf.matMul(B, B, true, false), tf.matMul(A, A, false, true)].map((gram) => tf.reshape(gram, [-1]))
          )
        )
      )
    ),
    (flat) => Effect.map(readTensor(flat, `the Gram matrices of ${pairs.length} factor pairs`), (v) => split(v, pairs)),
    (flat) => Effect.sync(() => flat.dispose())
  )

/**
 * Returns the Gram matrices BᵀB and AAᵀ of every pair, each [r, r], in the order of `pairs`: all that LoRA-Pro needs of its parameters
 * before a step. Costs r²/2 · (out + in) multiplications per pair. Fails with `DeviceReadError` if a read fails.
 *
 * Two implementations, depending on the location of the tensors:
 *  - cpu, wasm: the factors are in host memory, so they are read and the products accumulated in float64. A float32 Gram matrix
 *    is off by 1e-7 λ_max, ten times the damping of 1e-8: a nearly singular B would be dominated by round-off.
 *  - any other device: a read waits for the queue, so the products are computed there in float32 and fetched in ONE read.
 */
export const readGrams = (pairs: ReadonlyArray<FactorPair>): Effect.Effect<ReadonlyArray<Grams>, DeviceReadError> => {
  if (pairs.length === 0) return Effect.succeed([])
  return isHostResident() ? gramsOnHost(pairs) : gramsOnDevice(pairs)
}
