/**
 * GELU as one kernel, in the erf form (BERT's "gelu") and the tanh form ("gelu_new").
 *
 *   erf    y = x·Φ(x)            y′ = Φ(x) + x·φ(x)                     with Φ, φ of N(0, 1)
 *   tanh   y = x·σ(2u)           y′ = σ + x·σ(1 − σ)·2u′                u = √(2/π)(x + 0.044715x³), as ½(1 + tanh u) = σ(2u)
 *
 * The derivative is computed along with the value, from the same exponential, and is all that is saved: as large as x, which may
 * go, and the backward pass is one product.
 *
 * Φ comes from the polynomial of Abramowitz and Stegun 7.1.26 that tfjs's own erf uses (absolute error 1.5e-7), written for the
 * tail: with a = |x|, t = 1/(1 + p·a/√2), Φ(−a) = ½·t·P(t)·exp(−a²/2), and y = relu(x) − a·Φ(−a). tfjs's erf is a scalar loop on
 * wasm: value and derivative together cost here what the value alone costs there.
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { inPlaceOf } from "../tensors/in-place-of.ts"
import { defineKernel } from "./kernel.ts"

export type GeluForm = "erf" | "tanh"

/** Abramowitz and Stegun 7.1.26 */
const P = 0.3275911
const COEFFICIENTS = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592] as const

/** Value and derivative of the erf form. */
const erfForm = (x: Tensor): [Tensor, Tensor] => {
  const a = tf.abs(x)
  const density = inPlaceOf(
    inPlaceOf(tf.mul(a, a), (square) => tf.mul(square, -0.5)),
    tf.exp
  )
  const tail = inPlaceOf(tailPolynomial(a), (polynomial) => tf.mul(polynomial, density)) // Φ(−a)
  const slope = inPlaceOf(
    inPlaceOf(density, (e) => tf.mul(e, a)),
    (aDensity) => inPlaceOf(tf.mul(aDensity, 1 / Math.sqrt(2 * Math.PI)), (s) => tf.sub(tail, s))
  ) // Φ(−a) − a·φ(a): the derivative where x < 0, one minus it elsewhere
  const value = inPlaceOf(
    inPlaceOf(a, (size) => tf.mul(size, tail)),
    (loss) => inPlaceOf(tf.relu(x), (positive) => tf.sub(positive, loss))
  )
  tail.dispose()
  const step = tf.step(x)
  const derivative = inPlaceOf(slope, (s) =>
    inPlaceOf(
      inPlaceOf(tf.mul(step, -2), (m) => tf.add(m, 1)),
      (sign) => {
        return inPlaceOf(tf.mul(sign, s), (signed) => tf.add(signed, step))
      }
    )
  )
  step.dispose()
  return [value, derivative]
}

/** ½·t·P(t) for t = 1/(1 + p·a/√2). */
const tailPolynomial = (a: Tensor): Tensor => {
  const t = inPlaceOf(
    inPlaceOf(tf.mul(a, P * Math.SQRT1_2), (scaled) => tf.add(scaled, 1)),
    (denominator) => tf.div(1, denominator)
  )
  const polynomial = COEFFICIENTS.slice(1).reduce<Tensor>(
    (sum, c) =>
      inPlaceOf(
        inPlaceOf(sum, (s) => tf.mul(s, t)),
        (product) => tf.add(product, c / 2)
      ),
    tf.fill([1, 1], COEFFICIENTS[0] / 2)
  )
  return inPlaceOf(t, () => inPlaceOf(polynomial, (p) => tf.mul(p, t)))
}

const TANH_SCALE = Math.sqrt(2 / Math.PI)
const TANH_CUBIC = 0.044715

/** Value and derivative of the tanh form. */
const tanhForm = (x: Tensor): [Tensor, Tensor] => {
  const square = tf.mul(x, x)
  const twoU = inPlaceOf(
    inPlaceOf(tf.mul(square, 2 * TANH_SCALE * TANH_CUBIC), (cubic) => tf.add(cubic, 2 * TANH_SCALE)),
    (factor) => tf.mul(factor, x)
  )
  const gate = inPlaceOf(twoU, tf.sigmoid)
  const twoUPrime = inPlaceOf(
    inPlaceOf(square, (s) => tf.mul(s, 6 * TANH_SCALE * TANH_CUBIC)),
    (slope) => tf.add(slope, 2 * TANH_SCALE)
  )
  const value = tf.mul(x, gate)
  // x·σ(1 − σ)·2u′ + σ
  const derivative = inPlaceOf(
    inPlaceOf(
      inPlaceOf(tf.sub(1, gate), (rest) => tf.mul(rest, value)),
      (gateSlope) => inPlaceOf(twoUPrime, (slope) => tf.mul(slope, gateSlope))
    ),
    (change) => tf.add(change, gate)
  )
  gate.dispose()
  return [value, derivative]
}

const kernel = defineKernel<"x", { readonly form: GeluForm }>({
  name: "Gelu",
  reference: ({ x }, { form }) => (form === "erf" ? erfForm(x) : tanhForm(x)),
  inputsToSave: [],
  outputsToSave: [false, true],
  gradient: ([dy], [derivative]) => ({ x: () => tf.mul(dy!, derivative!) })
})

/** x [tokens, width] → [tokens, width]; one gradient, first order only. */
export const gelu = (x: Tensor2D, form: GeluForm): Tensor2D => {
  const [value, derivative] = kernel({ x }, { form })
  // the tape holds its own handle of the derivative, and without a tape nobody wants it
  derivative!.dispose()
  return value as Tensor2D
}
