/**
 * RMS normalization over the last axis, of a sum where there is a residual branch, as one kernel.
 *
 *   s = x + residual      r = 1/√(mean s² + ε)      y = γ·s·r
 *   ds = r·(g − s·r·mean(g·s·r)),  g = γ·dy      dx = d(residual) = ds, + the gradient of s where s is used again      dγ = Σ dy·s·r
 *
 * A block that normalizes first needs s again, for its next sum. `rmsNormAndSum` hands it out as a second output with a gradient of
 * its own, which the backward pass adds where it makes ds: a sum of its own would read s once more, and write and read the gradient once
 * more. `rmsNorm` is for where s ends, before a model's head.
 *
 * Saved: s [tokens, n], which is x itself or an output, r [tokens, 1] and γ. Not s·r, which would be one more tensor as large.
 *
 * On wasm Σ s² and Σ g·s are float64 sums of float64 products: numbers whose squares overflow float32 have the right y there,
 * and 0 from the reference, as in PyTorch.
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import {
  add,
  add64,
  count,
  div64,
  type Expression,
  mul,
  mul64,
  rounded,
  rowProducts64,
  sqrt64,
  sub,
  widened
} from "./expression/expression.ts"
import { columnSums, rows } from "./expression/kernel.ts"
import { defineKernel } from "./kernel.ts"

type F32 = Expression<"f32">

/** Of a number, in multiplications. */
const COST = 8

const normalized = (s: F32, { gamma, epsilon }: Readonly<Record<"gamma" | "epsilon", F32>>) => {
  const meanSquare = div64(rowProducts64(s, s), count("f64"))
  const r = rounded(div64(1, sqrt64(add64(meanSquare, widened(epsilon)))))
  return { y: mul(mul(s, r), gamma), r }
}

const alone = rows({
  name: "rmsNorm",
  reads: { x: "buffer", gamma: "column" },
  words: { epsilon: "f32" },
  cost: COST,
  body: ({ x, ...scales }) => normalized(x, scales)
})

const ofResidual = rows({
  name: "residualRmsNorm",
  reads: { x: "buffer", gamma: "column", residual: "buffer" },
  words: { epsilon: "f32" },
  cost: COST,
  body: ({ x, residual, ...scales }) => {
    const sum = add(x, residual)
    const { y, r } = normalized(sum, scales)
    return { y, sum, r }
  }
})

const gradientOfSum = ({ dy, gamma, sum, r }: Readonly<Record<"dy" | "gamma" | "sum" | "r", F32>>) => {
  const g = mul(dy, gamma)
  const along = rounded(div64(mul64(widened(r), rowProducts64(g, sum)), count("f64")))
  return mul(sub(g, mul(mul(sum, r), along)), r)
}

const read = { dy: "buffer", gamma: "column", sum: "buffer", r: "row" } as const

const backward = defineKernel(
  rows({ name: "rmsNormBackward", reads: read, cost: COST, body: (inputs) => ({ ds: gradientOfSum(inputs) }) })
)

/** Where s goes on. */
const backwardAndSum = defineKernel(
  rows({
    name: "rmsNormAndSumBackward",
    reads: { ...read, dsum: "buffer" },
    cost: COST,
    body: ({ dsum, ...inputs }) => ({ ds: add(gradientOfSum(inputs), dsum) })
  })
)

/** Σ dy·s·r over the rows */
const scaleGradient = defineKernel(
  columnSums({ name: "rmsNormScaleGradient", factors: { dy: "buffer", sum: "buffer", r: "row" }, cost: 4 })
)

const plain = defineKernel({
  ...alone,
  inputsToSave: ["x", "gamma"],
  outputsToSave: [false, true],
  gradient: ([dy], [x, gamma, r]) => ({
    x: () => backward({ dy: dy!, gamma: gamma!, sum: x!, r: r! }, {})[0]!,
    gamma: () => scaleGradient({ dy: dy!, sum: x!, r: r! }, {})[0]!
  })
})

/** The gradients of a sum's terms and of γ. */
const gradientsOfSum = (dy: Tensor, sum: Tensor, r: Tensor, ds: () => Tensor) => {
  let made: Tensor | undefined
  // the second term's is the first's, which lives until all gradients of a node are made
  const term = () => {
    if (made !== undefined) return tf.clone(made)
    made = ds()
    return made
  }
  return { x: term, residual: term, gamma: () => scaleGradient({ dy, sum, r }, {})[0]! }
}

const savedOfSum = { inputsToSave: ["gamma"], outputsToSave: [false, true, true] } satisfies Partial<typeof ofResidual>

const ofSum = defineKernel({
  ...ofResidual,
  ...savedOfSum,
  gradient: ([dy], [gamma, sum, r]) =>
    gradientsOfSum(dy!, sum!, r!, () => backward({ dy: dy!, gamma: gamma!, sum: sum!, r: r! }, {})[0]!)
})

const AND_SUM = "ResidualRmsNormAndSum"
const andSum = defineKernel({ ...ofResidual, name: AND_SUM })
// the gradient of a kernel of `defineKernel` goes through its first output alone
tf.registerGradient({
  ...savedOfSum,
  kernelName: AND_SUM,
  gradFunc: (dys, [gamma, sum, r]) => {
    const [dy, dsum] = dys as Array<Tensor>
    const ds = () => backwardAndSum({ dy: dy!, gamma: gamma!, sum: sum!, r: r!, dsum: dsum! }, {})[0]!
    return gradientsOfSum(dy!, sum!, r!, ds)
  }
})

/** Normalizes the rows of x + residual [tokens, n] by their root mean square and applies γ [n]; returns y [tokens, n]. Gradients for all inputs. */
export const rmsNorm = (x: Tensor2D, residual: Tensor2D | null, gamma: Tensor1D, epsilon: number): Tensor2D => {
  const [y, ...saved] =
    residual === null ? plain({ x, gamma }, { epsilon }) : ofSum({ x, residual, gamma }, { epsilon })
  tf.dispose(saved) // the tape holds its own handles
  return y as Tensor2D
}

/**
 * Returns y of `rmsNorm` and s = x + residual, both [tokens, n]; gradients for all inputs, through both. If s is unused, `rmsNorm` gives the same
 * y, and tfjs creates no zeros for the gradient of s.
 */
export const rmsNormAndSum = (
  x: Tensor2D,
  residual: Tensor2D,
  gamma: Tensor1D,
  epsilon: number
): readonly [y: Tensor2D, sum: Tensor2D] => {
  const [y, sum, r] = andSum({ x, residual, gamma }, { epsilon })
  r!.dispose() // the tape holds its own handle
  return [y as Tensor2D, sum as Tensor2D]
}
