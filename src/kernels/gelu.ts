/**
 * GELU as one kernel, in the erf form (BERT's "gelu"), the tanh form ("gelu_new") and the quick one (CLIP's "quick_gelu").
 *
 *   erf    y = x·Φ(x)            y′ = Φ(x) + x·φ(x)                     with Φ, φ of N(0, 1)
 *   tanh   y = x·σ(2u)           y′ = σ + x·σ(1 − σ)·2u′                u = √(2/π)(x + 0.044715x³), as ½(1 + tanh u) = σ(2u)
 *   quick  y = x·σ(1.702x)       y′ = σ + x·σ(1 − σ)·1.702
 *
 * The derivative is computed along with the value, from the same exponential, and is all that is saved: as large as x, which may
 * go, and the backward pass is one product.
 *
 * Φ is written for the tail: with a = |x|, t = 1/(1 + 0.33a), Φ(−a) = t·P(t)·exp(−a²/2), and y = relu(x) − a·Φ(−a). P, of degree 6, is a
 * fit of our own to 9e-9 absolute (and 3e-8 relative up to a = 3), below a float32's rounding; that of Abramowitz and Stegun 7.1.26, which
 * tfjs's erf uses, is good to 7.5e-8.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import {
  abs,
  constant,
  div,
  type Expression,
  exp,
  greater,
  held,
  madd,
  mul,
  orInfinity,
  orNaN,
  relu,
  restOf,
  select,
  sigmoid,
  sub
} from "./expression/expression.ts"
import { elementwise } from "./expression/kernel.ts"
import { defineKernel } from "./kernel.ts"

/** Formula of GELU: exact ("erf"), or an approximation by tanh or by the sigmoid of 1.702x ("quick"). */
export type GeluForm = "erf" | "tanh" | "quick"

/** P from the highest power down. */
const COEFFICIENTS = [
  0.04674591650907277, -0.22612278369951086, 0.34178562625492426, -0.09991348510142087, 0.18698253108981827,
  0.11768921904795343, 0.13283298533721913
] as const
const DENSITY = 1 / Math.sqrt(2 * Math.PI)

/** 2u = x·(LINEAR + CUBIC·x²), 2u′ = LINEAR + CUBIC_SLOPE·x² */
const LINEAR = 2 * Math.sqrt(2 / Math.PI)
const CUBIC = 0.044715 * LINEAR
const CUBIC_SLOPE = 0.21406446397304535 // 3·CUBIC, a unit in the last place of a float32 higher

/** The slope of the quick form's logistic, with which it is nearest to the erf form (Hendrycks and Gimpel, arXiv 1606.08415). */
const QUICK = 1.702

/** Beyond it a square may overflow, and every form is x or 0. */
const BOUND = 1e4
/** Of a number: value and derivative; the backward product, which waits for memory. */
const COST = { both: 30, product: 2 }

const both = { reads: ["x"], result: "value", cost: COST.both } as const

const FORMS = {
  erf: elementwise({
    ...both,
    name: "geluErf",
    body: ({ x }) => {
      const a = held(abs(x), BOUND)
      const t = div(1, madd(a, 0.33, 1))
      const [highest, ...lower] = COEFFICIENTS
      const p = lower.reduce<Expression<"f32">>((sum, c) => madd(sum, t, c), constant("f32", highest))
      const e = exp(mul(mul(a, a), -0.5))
      const tail = mul(mul(p, t), e) // Φ(−a)
      const slope = sub(tail, mul(mul(e, a), DENSITY)) // the derivative where x < 0, one minus it elsewhere
      return {
        value: orNaN(sub(relu(x), mul(a, tail)), x),
        derivative: orNaN(select(greater(x, 0), sub(1, slope), slope), x)
      }
    }
  }),
  tanh: elementwise({
    ...both,
    name: "geluTanh",
    body: ({ x }) => {
      const c = held(x, BOUND)
      const square = mul(c, c)
      const twoU = mul(c, madd(square, CUBIC, LINEAR))
      const gate = sigmoid(twoU)
      const y = mul(x, gate)
      const slope = madd(square, CUBIC_SLOPE, LINEAR)
      return { value: orInfinity(y, x), derivative: orNaN(madd(mul(restOf(gate, twoU), y), slope, gate), x) }
    }
  }),
  quick: elementwise({
    ...both,
    name: "geluQuick",
    body: ({ x }) => {
      const steep = mul(held(x, BOUND), QUICK)
      const gate = sigmoid(steep)
      const y = mul(x, gate)
      return { value: orInfinity(y, x), derivative: orNaN(madd(mul(restOf(gate, steep), y), QUICK, gate), x) }
    }
  })
} as const satisfies Record<GeluForm, unknown>

const backward = defineKernel(
  elementwise({
    name: "geluBackward",
    reads: ["dy", "derivative"],
    cost: COST.product,
    body: ({ dy, derivative }) => ({ dx: mul(dy, derivative) })
  })
)

const kernelOf = (form: GeluForm) =>
  defineKernel({
    ...FORMS[form],
    outputsToSave: [false, true],
    gradient: ([dy], [derivative]) => ({ x: () => backward({ dy: dy!, derivative: derivative! }, {})[0]! })
  })

const kernels = { erf: kernelOf("erf"), tanh: kernelOf("tanh"), quick: kernelOf("quick") }

/** Computes GELU: x [tokens, width] → [tokens, width]; gradient for x, first order only. */
export const gelu = (x: Tensor2D, form: GeluForm): Tensor2D => {
  const [value, ...saved] = kernels[form]({ x }, {})
  tf.dispose(saved) // the tape holds its own handle
  return value as Tensor2D
}
