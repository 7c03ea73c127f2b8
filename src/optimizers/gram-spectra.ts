/**
 * Functions of the Gram matrices of thin matrices that are made *within* an update: orthonormal bases, polar factors, roots of second
 * moments. What depends on the parameters alone belongs in `refresh` (`whitening.ts`).
 *
 *   B [out, r]:  BᵀB + δI = U Λ Uᵀ      A [r, in]:  AAᵀ + δI = V M Vᵀ      T_B = U Λ^-½      T_A = V M^-½
 *
 *   f(BᵀB + δI) = T_B diag(f(λ)·λ) T_Bᵀ          B T_B: orthonormal columns, the span of B (up to δ)
 *
 * Grams and eigenproblems are made in float64, or on a GPU in pairs of float32, by the kernel that whitens LoRA-Pro's factors, from the
 * matrices themselves: a Gram that was rounded to float32 before would have lost its small eigenvalues. A direction of eigenvalue 0
 * has λ = 0 and a column of zeros in T, so that f counts as 0 there: the pseudo-inverse. Nothing is read from a device.
 */
import type { Tensor2D, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { whitenedOnDevice } from "../kernels/index.ts"
import { isHostResident } from "../tensors/index.ts"
import type { StackedFactors } from "./stacks.ts"
import { gramOfColumns, gramOfRows, whiten } from "./whitening.ts"

/** Of each Gram of a stack. */
export interface GramSpectrum {
  /** eigenvectors, each divided by the root of its eigenvalue: [pairs, r, r], one in a column */
  readonly T: Tensor3D
  /** λ, with δ: [pairs, 1, r] */
  readonly values: Tensor3D
}

/** BᵀB and AAᵀ of every pair of a stack. Throws on a GPU for a rank above 256 (`canTakeSpectra`): a bug in the caller. */
export const gramSpectra = (
  { A, B }: StackedFactors,
  damping = 0
): { readonly A: GramSpectrum; readonly B: GramSpectrum } => {
  const [listA, listB] = [tf.unstack(A), tf.unstack(B)] as [Array<Tensor2D>, Array<Tensor2D>]
  const pairs = listA.map((one, i) => ({ A: one, B: listB[i]!, scale: 1 }))
  const whitenings = whitenedOnDevice(pairs, damping)?.whitenings ?? onHost(pairs, damping)
  return {
    A: spectrumOf(tf.transpose(tf.stack(whitenings.map(({ TAt }) => TAt)) as Tensor3D, [0, 2, 1])),
    B: spectrumOf(tf.stack(whitenings.map(({ TB }) => TB)) as Tensor3D)
  }
}

const spectrumOf = (T: Tensor3D): GramSpectrum => {
  const inverses = tf.sum<Tensor3D>(tf.square(T), 1, true)
  return { T, values: tf.divNoNan<Tensor3D>(tf.onesLike(inverses), inverses) }
}

/** The distance of float32 numbers next to 1. */
const FLOAT32_STEP = 2 ** -23

/**
 * T [pairs, r, r] of factors, made without damping, with zeros for each singular value below r·2⁻²³ of the largest: the pseudo-inverse
 * of a factor in float32, whose entries hold nothing but round-off there (PyTorch's `pinv` has this bound). What is no number stays none.
 */
export const withoutRoundOff = (T: Tensor3D): Tensor3D => {
  const { values } = spectrumOf(T)
  const least = tf.mul(tf.max(values, 2, true), (T.shape[1] * FLOAT32_STEP) ** 2)
  return tf.mul(T, tf.cast(tf.greaterEqual(values, least), "float32"))
}

const valuesOf = (tensor: Tensor2D) => tf.backend().readSync(tensor.dataId) as Float32Array

const onHost = (pairs: ReadonlyArray<{ readonly A: Tensor2D; readonly B: Tensor2D }>, damping: number) => {
  if (!isHostResident()) throw new Error("gramSpectra: a rank above 256 has no eigenvectors on a GPU")
  return pairs.map(({ A, B }) => {
    const [r, columns] = A.shape
    const grams = { BtB: gramOfColumns(valuesOf(B), B.shape[0], r), AAt: gramOfRows(valuesOf(A), r, columns) }
    return whiten(grams, 1, damping).whitening
  })
}

/** f(Gram) [pairs, r, r], symmetric. `of`: λ [pairs, 1, r] → f(λ), whatever it is at 0. */
export const symmetric = ({ T, values }: GramSpectrum, of: (values: Tensor3D) => Tensor3D): Tensor3D =>
  tf.matMul(
    tf.mul(T, tf.where(tf.greater(values, 0), tf.mul(of(values), values), tf.zerosLike(values))),
    T,
    false,
    true
  )
