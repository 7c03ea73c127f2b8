/**
 * Functions of Gram matrices of thin matrices computed *within* an update: orthonormal bases, polar factors, roots of second
 * moments. Functions of the parameters alone belong in `refresh` (`whitening.ts`).
 *
 *   B [out, r]:  BᵀB + δI = U Λ Uᵀ      A [r, in]:  AAᵀ + δI = V M Vᵀ      T_B = U Λ^-½      T_A = V M^-½
 *
 *   f(BᵀB + δI) = T_B diag(f(λ)·λ) T_Bᵀ          B T_B: orthonormal columns, the span of B (up to δ)
 *
 * Gram matrices and eigenproblems are computed in float64, or on a GPU in pairs of float32, by the kernel that whitens LoRA-Pro's factors, from
 * the matrices themselves: a Gram matrix rounded to float32 would have lost its small eigenvalues. A direction of eigenvalue 0
 * has λ = 0 and a column of zeros in T, so f counts as 0 there: the pseudo-inverse. Nothing is read from the device.
 */
import type { Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { cut } from "../boundary/index.ts"
import { mostWhitenedRank, stackedRootsOnWasm, type Whitening, whitenedOnDevice } from "../kernels/index.ts"
import { type FactorPair, type Factors, isHostResident } from "../tensors/index.ts"
import type { StackedFactors } from "./stacks.ts"
import { gramOfColumns, gramOfRows, whiten } from "./whitening.ts"

/** Spectra of the Gram matrices of a stack. */
export interface GramSpectrum {
  /** eigenvectors as columns, each divided by the root of its eigenvalue: [pairs, r, r] */
  readonly T: Tensor3D
  /** eigenvalues λ, including δ: [pairs, 1, r] */
  readonly values: Tensor3D
}

/** Returns why `gramSpectra` cannot handle these pairs on the current device, for `Transform.obstacle`; undefined if it can. */
export const spectraObstacle = (pairs: ReadonlyArray<FactorPair>): string | undefined => {
  if (isHostResident()) return undefined
  const most = mostWhitenedRank()
  const beyond = pairs.find(({ A }) => A.shape[0] > most)
  if (beyond === undefined) return undefined
  const { site, A } = beyond
  const observation = `found rank ${A.shape[0]} at ${cut(site.name, 100)}, and it needs eigenvectors of a matrix [rank, rank] for each layer and step`
  return most === 0
    ? `${observation}, which ${tf.getBackend()} does not make; expected the device webgpu, native, wasm or cpu`
    : `${observation}, which a GPU computes up to rank ${most}; expected a rank of at most ${most}, or --device native or wasm`
}

/** Returns the spectra of BᵀB and AAᵀ of every pair of a stack. Throws if there is a `spectraObstacle`, which is a bug in the caller. */
export const gramSpectra = (
  { A, B }: StackedFactors,
  damping = 0
): { readonly A: GramSpectrum; readonly B: GramSpectrum } => {
  const { TB, TAt } = stackedRootsOnWasm(A, B, damping) ?? rootsOfEach({ A, B }, damping)
  return { A: spectrumOf(tf.transpose(TAt, [0, 2, 1])), B: spectrumOf(TB) }
}

const rootsOfEach = ({ A, B }: StackedFactors, damping: number) => {
  const [listA, listB] = [tf.unstack(A), tf.unstack(B)] as [Array<Tensor2D>, Array<Tensor2D>]
  const pairs = listA.map((one, i) => ({ A: one, B: listB[i]!, scale: 1 }))
  const whitenings = whitened(pairs, damping)
  return {
    TAt: tf.stack(whitenings.map(({ TAt }) => TAt)) as Tensor3D,
    TB: tf.stack(whitenings.map(({ TB }) => TB)) as Tensor3D
  }
}

/** Returns the spectrum from T alone, computed without damping. */
export const spectrumOf = (T: Tensor3D): GramSpectrum => {
  const inverses = tf.sum<Tensor3D>(tf.square(T), 1, true)
  return { T, values: tf.divNoNan<Tensor3D>(tf.onesLike(inverses), inverses) }
}

/** The distance of float32 numbers next to 1. */
const FLOAT32_STEP = 2 ** -23

/**
 * Sets singular values below n·2⁻²³ of the largest to zero, for matrices with n rows or columns: their entries are float32, and
 * contain only round-off there (the bound of NumPy's and PyTorch's `pinv`). NaN stays NaN.
 */
export const withoutRoundOff = ({ T, values }: GramSpectrum, n: number): GramSpectrum => {
  const least = tf.mul(tf.max(values, 2, true), (n * FLOAT32_STEP) ** 2)
  const mask = tf.cast(tf.greaterEqual(values, least), "float32")
  return { T: tf.mul(T, mask), values: tf.mul(values, mask) }
}

const valuesOf = (tensor: Tensor2D) => tf.backend().readSync(tensor.dataId) as Float32Array

type Pairs = ReadonlyArray<Factors & { readonly scale: number }>

/** On the device, a GPU's in as many parts as it binds; else on the host. */
const whitened = (pairs: Pairs, damping: number): ReadonlyArray<Whitening> => {
  const made = whitenedOnDevice(pairs, damping)?.whitenings
  if (made !== undefined) return made
  if (isHostResident()) return onHost(pairs, damping)
  if (pairs.length < 2) throw new Error("gramSpectra: no eigenvectors of this rank on this device")
  const half = pairs.length >> 1
  return [...whitened(pairs.slice(0, half), damping), ...whitened(pairs.slice(half), damping)]
}

const onHost = (pairs: Pairs, damping: number): ReadonlyArray<Whitening> =>
  pairs.map(({ A, B }) => {
    const [r, columns] = A.shape
    const grams = { BtB: gramOfColumns(valuesOf(B), B.shape[0], r), AAt: gramOfRows(valuesOf(A), r, columns) }
    return whiten(grams, 1, damping).whitening
  })

/** Returns f(Gram) [pairs, r, r], symmetric. `of`: λ [pairs, 1, r] → f(λ), with any value at 0. */
export const symmetric = ({ T, values }: GramSpectrum, of: (values: Tensor3D) => Tensor3D): Tensor3D =>
  tf.matMul(
    tf.mul(T, tf.where(tf.greater(values, 0), tf.mul(of(values), values), tf.zerosLike(values))),
    T,
    false,
    true
  )
