/**
 * Matrix sign of rectangular matrices: X = U Σ Vᵀ → U Vᵀ, all singular values 1 (0 stays 0). Muon's direction.
 *
 * Computed by Polar Express (Amsel et al. 2025, arXiv 2505.16932, Algorithm 1): eight odd polynomials of degree 5 in sequence, whose
 * composition is the best approximation of the sign of that form for singular values from 1e-3 to 1. For X/(1.01 ‖X‖_F),
 *
 *   X ← aX + bXXᵀX + c(XXᵀ)²X        that is, σ ← aσ + bσ³ + cσ⁵ for each singular value
 *
 *   σ/‖X‖_F       ≥ 8e-4    5e-4    3e-4    1e-4    1e-5    1e-7
 *   becomes       1         0.9999  0.982   0.570   0.063   6.3e-4        (above 8e-4 to 3e-10)
 *
 * Smaller values, which fade, are a float32 gradient's round-off, which an exact sign would make as large as the gradient itself.
 *
 * Thin matrices use their r × r side (`gram-spectra.ts`): the polynomials act on the eigenvalues of the Gram matrix, in float64, and thin
 * products remain. The same iteration on Gram matrices in float32 would lose every σ below 1e-3, and diverges if round-off
 * makes an eigenvalue negative. Small square matrices use products, all of them at once.
 *
 * Differs from the paper's code: nothing is added to the norm, so the sign does not depend on the size of X.
 */
import type { Tensor, Tensor3D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { type GramSpectrum, gramSpectra } from "./gram-spectra.ts"
import type { StackedFactors } from "./stacks.ts"

/** By how much a singular value may exceed 1 before a polynomial: all but the last are stretched by it. */
const SAFETY = 1.01

/** [a, b, c], the paper's table. */
const PUBLISHED = [
  [8.28721201814563, -23.595886519098837, 17.300387312530933],
  [4.107059111542203, -2.9478499167379106, 0.5448431082926601],
  [3.9486908534822946, -2.908902115962949, 0.5518191394370137],
  [3.3184196573706015, -2.488488024314874, 0.51004894012372],
  [2.300652019954817, -1.6689039845747493, 0.4188073119525673],
  [1.891301407787398, -1.2679958271945868, 0.37680408948524835],
  [1.8750014808534479, -1.2500016453999487, 0.3750001645474248],
  [1.875, -1.25, 0.375]
] as const

const POLYNOMIALS = PUBLISHED.map(([a, b, c], i): readonly [number, number, number] =>
  i === PUBLISHED.length - 1 ? [a, b, c] : [a / SAFETY, b / SAFETY ** 3, c / SAFETY ** 5]
)

/** What becomes of singular values that are relative to the Frobenius norm. */
const signOf = <T extends Tensor>(relative: T): T =>
  POLYNOMIALS.reduce(
    (x, [a, b, c]) => {
      const square = tf.square(x)
      return tf.mul(x, tf.add(tf.mul(square, tf.add(tf.mul(square, c), b)), a))
    },
    tf.mul<T>(relative, 1 / SAFETY)
  )

/** Returns the signs of square matrices [matrices, n, n]. */
export const signsOfSquare = (matrices: Tensor3D): Tensor3D => {
  const identity = tf.eye(matrices.shape[1])
  const norms = tf.sqrt(tf.sum(tf.square(matrices), [1, 2], true))
  return POLYNOMIALS.reduce(
    (X, [a, b, c]) => {
      const S = tf.matMul<Tensor3D>(X, X, false, true)
      const quartic = tf.matMul<Tensor3D>(S, tf.add(tf.mul(S, c), tf.mul(identity, b)))
      return tf.matMul<Tensor3D>(tf.add(quartic, tf.mul(identity, a)), X)
    },
    tf.mul<Tensor3D>(matrices, tf.divNoNan(1 / SAFETY, norms))
  )
}

/** An orthonormal basis times its signs: V·sign(σ) [pairs, r, r], of V in T = V/σ and σ² = λ. */
const signed = ({ T, values }: GramSpectrum): Tensor3D => {
  const signs = signOf<Tensor3D>(tf.sqrt(tf.divNoNan(values, tf.sum(values, 2, true))))
  return tf.mul(T, tf.mul(tf.sqrt(values), signs))
}

/**
 * Returns the signs of A [pairs, r, in] and B [pairs, out, r] of a stack. Uses a basis: (AAᵀ)^-½ itself, rounded to float32, would be off by
 * 1e-7 over the smallest σ in every direction.
 */
export const signsOfThin = (factors: StackedFactors): StackedFactors => {
  const { A, B } = gramSpectra(factors)
  return {
    A: tf.matMul(signed(A), tf.matMul<Tensor3D>(A.T, factors.A, true, false)),
    B: tf.matMul(tf.matMul<Tensor3D>(factors.B, B.T), signed(B), false, true)
  }
}
