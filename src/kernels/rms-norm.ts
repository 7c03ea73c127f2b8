/**
 * RMS normalization over the last axis, of a sum where there is a residual branch, as one kernel.
 *
 *   s = x + residual      r = 1/√(mean s² + ε)      y = γ·s·r
 *   ds = r·(g − s·r·mean(g·s·r)),  g = γ·dy      dx = d(residual) = ds, + the gradient of s where s goes on      dγ = Σ dy·s·r
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
import type { Tensor, Tensor1D, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { inPlaceOf } from "../tensors/index.ts"
import { defineKernel } from "./kernel.ts"
import { chunksOf } from "./wasm/chunks.ts"
import { floatBits, type WasmEngine } from "./wasm/engine.ts"
import type { WebgpuEngine } from "./webgpu/engine.ts"
import { programs } from "./webgpu/loaded.ts"

interface Attributes {
  readonly epsilon: number
}
type Input = "x" | "gamma"
type Inputs<T> = Readonly<Record<Input, T>> & { readonly residual?: T }

/** Costs in multiplications: of an element, and of an element of dγ's sum. */
const COST = { row: 8, column: 4 }

/** y and r, or y, s and r where there is a residual. */
const reference = ({ x, residual, gamma }: Inputs<Tensor>, { epsilon }: Attributes): ReadonlyArray<Tensor> => {
  const sum = residual === undefined ? x : tf.add(x, residual)
  const meanSquare = inPlaceOf(tf.mul(sum, sum), (square) => tf.mean(square, -1, true))
  const r = inPlaceOf(
    inPlaceOf(meanSquare, (m) => tf.add(m, epsilon)),
    tf.rsqrt
  )
  const y = inPlaceOf(tf.mul(sum, r), (normalized) => tf.mul(normalized, gamma))
  return residual === undefined ? [y, r] : [y, sum, r]
}

const onWasm = (
  { x, residual, gamma }: Inputs<TensorInfo>,
  { epsilon }: Attributes,
  engine: WasmEngine
): ReadonlyArray<TensorInfo> => {
  const [rows, n] = x.shape as [number, number]
  const [y, r] = [engine.output(x.shape), engine.output([rows, 1])]
  const sum = residual === undefined ? x : engine.output(x.shape)
  const [perChunk, chunks] = chunksOf(rows, n * COST.row)
  const addresses = [
    engine.address(x),
    residual === undefined ? 0 : engine.address(residual),
    ...[gamma, y, sum, r].map(engine.address)
  ]
  engine.runWords("rmsNorm", [...addresses, rows, n, perChunk, floatBits(epsilon)], chunks)
  return residual === undefined ? [y, r] : [y, sum, r]
}

const onWebgpu = (inputs: Inputs<TensorInfo>, { epsilon }: Attributes, engine: WebgpuEngine) =>
  programs().rmsNormOnWebgpu(engine, inputs, epsilon)

type Saved = "dy" | "gamma" | "sum" | "r"
type BackwardInputs<T> = Readonly<Record<Saved, T>> & { readonly dsum?: T }

/** ds, + dsum where s went on */
const sharedBackward = {
  reference: ({ dy, gamma, sum, r, dsum }: BackwardInputs<Tensor>) => {
    const [g, normalized] = [tf.mul(dy, gamma), tf.mul(sum, r)]
    const along = tf.mul(normalized, tf.mean(tf.mul(g, normalized), -1, true))
    const ds = tf.mul(tf.sub(g, along), r)
    return [dsum === undefined ? ds : tf.add(ds, dsum)]
  },
  wasm: ({ dy, gamma, sum, r, dsum }: BackwardInputs<TensorInfo>, _: object, engine: WasmEngine) => {
    const [rows, n] = dy.shape as [number, number]
    const ds = engine.output(dy.shape)
    const [perChunk, chunks] = chunksOf(rows, n * COST.row)
    const further = dsum === undefined ? 0 : engine.address(dsum)
    const words = [...[dy, gamma, sum, r, ds].map(engine.address), further, rows, n, perChunk]
    engine.runWords("rmsNormBackward", words, chunks)
    return [ds]
  },
  webgpu: (inputs: BackwardInputs<TensorInfo>, _: object, engine: WebgpuEngine) => [
    programs().rmsNormBackwardOnWebgpu(engine, inputs)
  ],
  inputsToSave: []
} as const

const backward = defineKernel<Saved, object>({ ...sharedBackward, name: "RmsNormBackward" })
const backwardAndSum = defineKernel<Saved | "dsum", object>({ ...sharedBackward, name: "RmsNormAndSumBackward" })

/** Σ dy·s·r over the rows */
const scaleGradient = defineKernel<"dy" | "sum" | "r", object>({
  name: "RmsNormScaleGradient",
  reference: ({ dy, sum, r }) => [tf.sum(tf.mul(dy, tf.mul(sum, r)), 0)],
  wasm: ({ dy, sum, r }, _, engine) => {
    const [rows, n] = dy.shape as [number, number]
    const out = engine.output([n])
    // sixteen floats are a line of the cache
    const [columns, chunks] = chunksOf(n, rows * COST.column, 16)
    engine.runWords("rmsNormScaleGradient", [...[dy, sum, r, out].map(engine.address), rows, n, columns], chunks)
    return [out]
  },
  webgpu: (inputs, _, engine) => [programs().rmsNormScaleGradientOnWebgpu(engine, inputs)],
  inputsToSave: []
})

const plain = defineKernel<Input, Attributes>({
  reference,
  wasm: onWasm,
  webgpu: onWebgpu,
  name: "RmsNorm",
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

const savedOfSum = { inputsToSave: ["gamma"], outputsToSave: [false, true, true] } satisfies object

const ofSum = defineKernel<Input | "residual", Attributes>({
  ...savedOfSum,
  reference,
  wasm: onWasm,
  webgpu: onWebgpu,
  name: "ResidualRmsNorm",
  inputsToSave: ["gamma"],
  gradient: ([dy], [gamma, sum, r]) =>
    gradientsOfSum(dy!, sum!, r!, () => backward({ dy: dy!, gamma: gamma!, sum: sum!, r: r! }, {})[0]!)
})

const AND_SUM = "ResidualRmsNormAndSum"
const andSum = defineKernel<Input | "residual", Attributes>({
  reference,
  wasm: onWasm,
  webgpu: onWebgpu,
  name: AND_SUM,
  inputsToSave: []
})
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

/** x and residual [tokens, n], γ [n] → y [tokens, n]; gradients for all of them. */
export const rmsNorm = (x: Tensor2D, residual: Tensor2D | null, gamma: Tensor1D, epsilon: number): Tensor2D => {
  const [y, ...saved] =
    residual === null ? plain({ x, gamma }, { epsilon }) : ofSum({ x, residual, gamma }, { epsilon })
  tf.dispose(saved) // the tape holds its own handles
  return y as Tensor2D
}

/**
 * x and residual [tokens, n], γ [n] → y and s = x + residual, both [tokens, n]; gradients for all of them, through both. Where nothing
 * is made of s, `rmsNorm` gives the same y, and tfjs makes no zeros for the gradient of s.
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
