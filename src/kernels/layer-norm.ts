/**
 * Layer normalization over the last axis, of a sum where there is a residual branch, as one kernel.
 *
 *   s = x + residual      x̂ = (s − mean s)·r,  r = 1/√(var s + ε)      y = γ·x̂ + β
 *   dx = d(residual) = r·(dŷ − mean dŷ − x̂·mean(dŷ·x̂)),  dŷ = γ·dy      dγ = Σ dy·x̂      dβ = Σ dy
 *
 * Saved: x̂ [tokens, n], r [tokens, 1] and γ. x̂ rather than s: equally large, and the backward pass needs no second
 * normalization. The sum is made on the way and kept nowhere.
 *
 * The variance is the mean square of centred values (never E[s²] − (E s)², which cancels), and the mean is corrected: m₀ from a float32 sum,
 * then with d = s − m₀
 *
 *   mean s = m₀ + mean d        var s = mean d² − (mean d)²         mean d is about m₀'s rounding, so nothing cancels
 *
 * where there is float64 for the two.
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { handleOf } from "../tensors/index.ts"
import {
  add,
  add64,
  count,
  div,
  div64,
  type Expression,
  keptIn,
  madd,
  mul,
  mul64,
  only64,
  positive64,
  rounded,
  rowProducts,
  rowSum,
  sqrt64,
  sub,
  sub64,
  widened
} from "./expression/expression.ts"
import { columnSums, rows } from "./expression/kernel.ts"
import { defineKernel } from "./kernel.ts"

type F32 = Expression<"f32">

/** Of a number, in multiplications. */
const COST = 8

const normalized = (s: F32, { gamma, beta, epsilon }: Readonly<Record<"gamma" | "beta" | "epsilon", F32>>) => {
  const mean = (sum: F32) => div64(widened(sum), count("f64"))
  const d = keptIn("y", sub(s, div(rowSum(s), count("f32"))))
  const shift = only64(mean(rowSum(d)))
  const variance = positive64(sub64(mean(rowProducts(d, d)), mul64(shift, shift)))
  const r = rounded(div64(1, sqrt64(add64(variance, widened(epsilon)))))
  const centered = mul(sub(d, rounded(shift)), r)
  return { y: madd(centered, gamma, beta), normalized: centered, r }
}

const shared = {
  result: "y",
  words: { epsilon: "f32" },
  cost: COST
} as const
const inputs = { x: "buffer", gamma: "column", beta: "column" } as const

const backward = defineKernel(
  rows({
    name: "layerNormBackward",
    reads: { dy: "buffer", gamma: "column", normalized: "buffer", r: "row" },
    cost: COST,
    body: ({ dy, gamma, normalized, r }) => {
      const g = mul(dy, gamma)
      const mean = div(rowSum(g), count("f32"))
      const slope = div(rowProducts(g, normalized), count("f32"))
      return { dx: mul(sub(sub(g, mul(normalized, slope)), mean), r) }
    }
  })
)

/** Σ dy·x̂ over the rows */
const scaleGradient = defineKernel(
  columnSums({ name: "layerNormScaleGradient", factors: { dy: "buffer", normalized: "buffer" }, cost: 4 })
)

const parameterGradients = (dy: Tensor, normalized: Tensor) => ({
  gamma: () => scaleGradient({ dy, normalized }, {})[0]!,
  beta: () => tf.sum(dy, 0)
})

const saved = { inputsToSave: ["gamma"], outputsToSave: [false, true, true] } as const

const plain = defineKernel({
  ...rows({ ...shared, name: "layerNorm", reads: inputs, body: ({ x, ...scales }) => normalized(x, scales) }),
  ...saved,
  gradient: ([dy], [gamma, normalized, r]) => ({
    x: () => backward({ dy: dy!, gamma: gamma!, normalized: normalized!, r: r! }, {})[0]!,
    ...parameterGradients(dy!, normalized!)
  })
})

const ofSum = defineKernel({
  ...rows({
    ...shared,
    name: "residualLayerNorm",
    reads: { ...inputs, residual: "buffer" },
    body: ({ x, residual, ...scales }) => normalized(keptIn("y", add(x, residual)), scales)
  }),
  ...saved,
  gradient: ([dy], [gamma, normalized, r]) => {
    // of both terms
    const dx = backward({ dy: dy!, gamma: gamma!, normalized: normalized!, r: r! }, {})[0]!
    return { x: dx, residual: () => handleOf(dx), ...parameterGradients(dy!, normalized!) }
  }
})

/** Normalizes the rows of x + residual [tokens, n] and applies γ and β [n]; returns [tokens, n]. Gradients for all inputs. */
export const layerNorm = (
  x: Tensor2D,
  residual: Tensor2D | null,
  gamma: Tensor1D,
  beta: Tensor1D,
  epsilon: number
): Tensor2D => {
  const [y, ...statistics] =
    residual === null ? plain({ x, gamma, beta }, { epsilon }) : ofSum({ x, residual, gamma, beta }, { epsilon })
  tf.dispose(statistics) // the tape holds its own handles
  return y as Tensor2D
}
