/**
 * GELU as one kernel, in the erf form (BERT's "gelu") and the tanh form ("gelu_new").
 *
 *   erf    y = x·Φ(x)            y′ = Φ(x) + x·φ(x)                     with Φ, φ of N(0, 1)
 *   tanh   y = x·σ(2u)           y′ = σ + x·σ(1 − σ)·2u′                u = √(2/π)(x + 0.044715x³), as ½(1 + tanh u) = σ(2u)
 *
 * The derivative is computed along with the value, from the same exponential, and is all that is saved: as large as x, which may
 * go, and the backward pass is one product.
 *
 * Φ is written for the tail: with a = |x|, t = 1/(1 + 0.33a), Φ(−a) = t·P(t)·exp(−a²/2), and y = relu(x) − a·Φ(−a). P, of degree 6, is a
 * fit of our own to 9e-9 absolute (and 3e-8 relative up to a = 3), below a float32's rounding; that of Abramowitz and Stegun 7.1.26, which
 * tfjs's erf uses, is good to 7.5e-8.
 *
 * On wasm and on a GPU value and derivative are one pass over x (`wasm/assembly/gelu.ts`, `webgpu/gelu.ts`).
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { inPlaceOf } from "../tensors/index.ts"
import { declareKernel, read, write } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import { sizeOf } from "./tensor-lists.ts"
import { programs } from "./webgpu/loaded.ts"

export type GeluForm = "erf" | "tanh"

/** t = 1/(1 + DECAY·a), and P from the highest power down */
const DECAY = 0.33
const COEFFICIENTS = [
  0.04674591650907277, -0.22612278369951086, 0.34178562625492426, -0.09991348510142087, 0.18698253108981827,
  0.11768921904795343, 0.13283298533721913
] as const

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

/** t·P(t) for t = 1/(1 + 0.33a). */
const tailPolynomial = (a: Tensor): Tensor => {
  const t = inPlaceOf(
    inPlaceOf(tf.mul(a, DECAY), (scaled) => tf.add(scaled, 1)),
    (denominator) => tf.div(1, denominator)
  )
  const polynomial = COEFFICIENTS.slice(1).reduce<Tensor>(
    (sum, c) =>
      inPlaceOf(
        inPlaceOf(sum, (s) => tf.mul(s, t)),
        (product) => tf.add(product, c)
      ),
    tf.fill([1, 1], COEFFICIENTS[0])
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

/** Cost of an element, in multiplications. */
const COST = 30

const ofForm = <const Name extends string>(name: Name) =>
  declareKernel({
    name,
    assembly: "Gelu",
    buffers: { x: read("f32"), value: write("f32"), derivative: write("f32") },
    words: { size: "u32" },
    split: { over: "size", cost: () => COST, unit: 4 },
    scratch: () => 48
  })

const FORMS = { erf: ofForm("geluErf"), tanh: ofForm("geluTanh") } as const satisfies Record<GeluForm, unknown>

/** out = a∘b, which waits for memory. */
const multiply = declareKernel({
  name: "multiply",
  buffers: { a: read("f32"), b: read("f32"), out: write("f32") },
  words: { size: "u32" },
  split: { over: "size", cost: () => 2, unit: 4 }
})

/** dx = dy∘y′, on all threads where tfjs's own product has one. */
const backward = defineKernel<"dy" | "derivative", object>({
  name: "GeluBackward",
  reference: ({ dy, derivative }) => [tf.mul(dy, derivative)],
  wasm: ({ dy, derivative }, _, engine) => {
    const out = engine.output(dy.shape)
    engine.run(multiply, { a: dy, b: derivative, out }, { size: sizeOf(dy) })
    return [out]
  },
  webgpu: ({ dy, derivative }, _, engine) => [programs().geluBackwardOnWebgpu(engine, dy, derivative)],
  inputsToSave: []
})

const kernel = defineKernel<"x", { readonly form: GeluForm }>({
  name: "Gelu",
  reference: ({ x }, { form }) => (form === "erf" ? erfForm(x) : tanhForm(x)),
  wasm: ({ x }, { form }, engine) => {
    const [value, derivative] = [engine.output(x.shape), engine.output(x.shape)]
    engine.run(FORMS[form], { x, value, derivative }, { size: sizeOf(x) })
    return [value, derivative]
  },
  webgpu: ({ x }, { form }, engine) => programs().geluOnWebgpu(engine, x, form),
  inputsToSave: [],
  outputsToSave: [false, true],
  gradient: ([dy], [derivative]) => ({ x: () => backward({ dy: dy!, derivative: derivative! }, {})[0]! })
})

/** x [tokens, width] → [tokens, width]; one gradient, first order only. */
export const gelu = (x: Tensor2D, form: GeluForm): Tensor2D => {
  const [value, derivative] = kernel({ x }, { form })
  // the tape holds its own handle of the derivative, and without a tape nobody wants it
  derivative!.dispose()
  return value as Tensor2D
}
