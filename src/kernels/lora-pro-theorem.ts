/**
 * LoRA-Pro's Theorem 2.1 (arXiv 2407.18242) on one factor pair, of tfjs ops: what runs where there is no kernel, and the oracle of the
 * kernels.
 *
 * Whitened coordinates: Q = B T_B and R = T_Aᵀ A have orthonormal columns and rows up to δ (`src/optimizers/whitening.ts`).
 *
 *   a = s⁻² T_Bᵀ gA = s⁻¹ Qᵀ u     b = s⁻² gB T_A = s⁻¹ u Rᵀ     N = Qᵀ b     Y = S ⊙ (a Rᵀ)   [X = −T_B Y T_Aᵀ]
 *   dA = T_B (a − Y R)             dB = (b − Q (N − Y)) T_Aᵀ
 *   g̃  = s [Q | b − Q N] · [a ; R]                       one product with inner dimension 2r
 *
 * Shapes: A, dA, a, R [r, in], B, dB, b, Q [out, r], g̃, u [out, in], X, Y, N, S [r, r].
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { Factors } from "../tensors/index.ts"

export type { Factors } from "../tensors/index.ts"

/** Choice of X, which splits the update of W between A and B; the update itself is the same for each choice. */
export type XChoice = "sylvester" | "zero" | "symmetric"

/** Roots of a pair's inverse Gram matrices, each [r, r]. The theorem's s⁻² is part of the two maps that gradients enter by. */
export type Whitening = {
  readonly TB: Tensor2D // T_B
  readonly TBgrad: Tensor2D // s⁻² T_Bᵀ
  readonly TAt: Tensor2D // T_Aᵀ
  readonly TAgrad: Tensor2D // s⁻² T_A
  readonly S: Tensor2D
}

/** The whitened factors: bases of col(B) and row(A). */
interface Bases {
  readonly Q: Tensor2D // [out, r]
  readonly R: Tensor2D // [r, in]
}

/** A gradient's coordinates in them. */
interface Coordinates {
  readonly a: Tensor2D // [r, in]
  readonly b: Tensor2D // [out, r]
}

const basesOf = (pair: Factors, w: Whitening): Bases => ({ Q: tf.matMul(pair.B, w.TB), R: tf.matMul(w.TAt, pair.A) })

const coordinatesOf = (gradient: Factors, w: Whitening): Coordinates => ({
  a: tf.matMul(w.TBgrad, gradient.A),
  b: tf.matMul(gradient.B, w.TAgrad)
})

/** N, and Y (null means 0). */
const splitOf = ({ a, b }: Coordinates, { Q, R }: Bases, w: Whitening, x: XChoice) => {
  const N = tf.matMul(Q, b, true, false)
  if (x === "zero") return { N, Y: null }
  return {
    N,
    Y: x === "symmetric" ? tf.mul<Tensor2D>(N, 0.5) : tf.mul<Tensor2D>(w.S, tf.matMul(a, R, false, true))
  }
}

const pullBack = (coordinates: Coordinates, bases: Bases, w: Whitening, x: XChoice): Factors => {
  const { a, b } = coordinates
  const { N, Y } = splitOf(coordinates, bases, w, x)
  const left = Y === null ? a : tf.sub<Tensor2D>(a, tf.matMul(Y, bases.R))
  const right = tf.sub<Tensor2D>(b, tf.matMul(bases.Q, Y === null ? N : tf.sub<Tensor2D>(N, Y)))
  return { A: tf.matMul(w.TB, left), B: tf.matMul(right, w.TAt) }
}

/** Computes (dA, dB) from the factor gradients. */
export const theorem = (pair: Factors, gradient: Factors, w: Whitening, x: XChoice): Factors =>
  pullBack(coordinatesOf(gradient, w), basesOf(pair, w), w, x)

const pushForward = ({ a, b }: Coordinates, { Q, R }: Bases, scale: number): Tensor2D => {
  const rest = tf.sub<Tensor2D>(b, tf.matMul(Q, tf.matMul(Q, b, true, false)))
  return tf.matMul(tf.mul<Tensor2D>(tf.concat([Q, rest], 1), scale), tf.concat([a, R], 0))
}

type ScaledFactors = Factors & { readonly scale: number }

/** Returns g̃ [out, in], the change of W that corresponds to the theorem's factor directions; the same for every X. */
export const equivalentGradient = (pair: ScaledFactors, gradient: Factors, w: Whitening): Tensor2D =>
  pushForward(coordinatesOf(gradient, w), basesOf(pair, w), pair.scale)

/** Computes (dA, dB) by transforming g̃ [out, in]: the theorem with sBᵀu and suAᵀ as factor gradients, where u = `inner`(g̃). */
export const theoremThrough = (
  inner: (g: Tensor2D) => Tensor2D,
  pair: ScaledFactors,
  gradient: Factors,
  w: Whitening,
  x: XChoice
): Factors => {
  const bases = basesOf(pair, w)
  const u = inner(pushForward(coordinatesOf(gradient, w), bases, pair.scale))
  // Transposing the thin operand first keeps these two products, the only ones over [out, in], plain for the wasm backend.
  const a = tf.mul<Tensor2D>(tf.matMul(tf.transpose(bases.Q), u), 1 / pair.scale)
  const b = tf.mul<Tensor2D>(tf.matMul(u, tf.transpose(bases.R)), 1 / pair.scale)
  return pullBack({ a, b }, bases, w, x)
}

/** Returns the theorem's X [r, r], for inspection and tests; the optimizer never forms it. */
export const freeMatrix = (pair: Factors, gradient: Factors, w: Whitening, x: XChoice): Tensor2D => {
  const { Y } = splitOf(coordinatesOf(gradient, w), basesOf(pair, w), w, x)
  return Y === null ? tf.zerosLike(w.S) : tf.neg(tf.matMul(tf.matMul(w.TB, Y), w.TAt))
}
