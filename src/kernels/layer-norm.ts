/**
 * Layer normalization over the last axis, of a sum where there is a residual branch, as one kernel.
 *
 *   s = x + residual      x̂ = (s − mean s)·r,  r = 1/√(var s + ε)      y = γ·x̂ + β
 *   dx = d(residual) = r·(dŷ − mean dŷ − x̂·mean(dŷ·x̂)),  dŷ = γ·dy      dγ = Σ dy·x̂      dβ = Σ dy
 *
 * Saved: x̂ [tokens, n], r [tokens, 1] and γ. x̂ rather than s: equally large, and the backward pass needs no second
 * normalization. The sum is made on the way and kept nowhere.
 *
 * The variance is the mean square of centred values (never E[s²] − (E s)², which cancels).
 */
import type { Tensor, Tensor1D, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { inPlaceOf } from "../tensors/index.ts"
import { defineKernel } from "./kernel.ts"
import { chunksOf } from "./wasm/chunks.ts"
import { floatBits, type WasmEngine } from "./wasm/engine.ts"
import { sumColumns } from "./wasm/sums.ts"
import type { WebgpuEngine } from "./webgpu/engine.ts"
import { programs } from "./webgpu/loaded.ts"

interface Attributes {
  readonly epsilon: number
}
type Input = "x" | "gamma" | "beta"
type Inputs<T> = Readonly<Record<Input, T>> & { readonly residual?: T }

/** Cost of an element, in multiplications. */
const COST = 8

const reference = ({ x, residual, gamma, beta }: Inputs<Tensor>, { epsilon }: Attributes): ReadonlyArray<Tensor> => {
  const sum = residual === undefined ? tf.clone(x) : tf.add(x, residual)
  const centred = inPlaceOf(sum, (s) => tf.sub(s, tf.mean(s, -1, true)))
  const variance = inPlaceOf(tf.mul(centred, centred), (square) => tf.mean(square, -1, true))
  const r = tf.rsqrt(tf.add(variance, epsilon))
  const normalized = inPlaceOf(centred, (c) => tf.mul(c, r))
  return [inPlaceOf(tf.mul(normalized, gamma), (scaled) => tf.add(scaled, beta)), normalized, r]
}

const onWasm = (
  { x, residual, gamma, beta }: Inputs<TensorInfo>,
  { epsilon }: Attributes,
  engine: WasmEngine
): ReadonlyArray<TensorInfo> => {
  const [rows, n] = x.shape as [number, number]
  const outputs = [engine.output(x.shape), engine.output(x.shape), engine.output([rows, 1])]
  const [perChunk, chunks] = chunksOf(rows, n * COST)
  const addresses = [
    engine.address(x),
    residual === undefined ? 0 : engine.address(residual),
    ...[gamma, beta, ...outputs].map(engine.address)
  ]
  engine.runWords("layerNorm", [...addresses, rows, n, perChunk, floatBits(epsilon)], chunks)
  return outputs
}

const backward = defineKernel<"dy" | "gamma" | "normalized" | "r", object>({
  name: "LayerNormBackward",
  reference: ({ dy, gamma, normalized, r }) => {
    const scaled = tf.mul(dy, gamma)
    const along = tf.mul(normalized, tf.mean(tf.mul(scaled, normalized), -1, true))
    return [tf.mul(tf.sub(tf.sub(scaled, along), tf.mean(scaled, -1, true)), r)]
  },
  wasm: ({ dy, gamma, normalized, r }, _, engine) => {
    const [rows, n] = dy.shape as [number, number]
    const dx = engine.output(dy.shape)
    const [perChunk, chunks] = chunksOf(rows, n * COST)
    const [at, scale, x, factors, out] = [dy, gamma, normalized, r, dx].map(engine.address)
    engine.runWords("layerNormBackward", [at!, 0, scale!, 0, out!, x!, factors!, rows, n, perChunk], chunks)
    return [dx]
  },
  webgpu: (inputs, _, engine) => [programs().layerNormBackwardOnWebgpu(engine, inputs)],
  inputsToSave: []
})

/** Σ dy·x̂ over the rows */
const scaleGradient = defineKernel<"dy" | "normalized", object>({
  name: "LayerNormScaleGradient",
  reference: ({ dy, normalized }) => [tf.sum(tf.mul(dy, normalized), 0)],
  wasm: ({ dy, normalized }, _, engine) => {
    const [rows, n] = dy.shape as [number, number]
    const out = engine.output([n])
    sumColumns(engine, { x: dy, y: normalized, out, outer: 1, reduced: rows, inner: n, divisor: 1 })
    return [out]
  },
  webgpu: (inputs, _, engine) => [programs().layerNormScaleGradientOnWebgpu(engine, inputs)],
  inputsToSave: []
})

const onWebgpu = (inputs: Inputs<TensorInfo>, { epsilon }: Attributes, engine: WebgpuEngine) =>
  programs().layerNormOnWebgpu(engine, inputs, epsilon)

const shared = {
  reference,
  wasm: onWasm,
  webgpu: onWebgpu,
  inputsToSave: ["gamma"],
  outputsToSave: [false, true, true]
} as const

const parameterGradients = (dy: Tensor, normalized: Tensor) => ({
  gamma: () => scaleGradient({ dy, normalized }, {})[0]!,
  beta: () => tf.sum(dy, 0)
})

const plain = defineKernel<Input, Attributes>({
  ...shared,
  name: "LayerNorm",
  gradient: ([dy], [gamma, normalized, r]) => ({
    x: () => backward({ dy: dy!, gamma: gamma!, normalized: normalized!, r: r! }, {})[0]!,
    ...parameterGradients(dy!, normalized!)
  })
})

const ofSum = defineKernel<Input | "residual", Attributes>({
  ...shared,
  name: "ResidualLayerNorm",
  gradient: ([dy], [gamma, normalized, r]) => {
    // here rather than in a closure: it is the gradient of both terms
    const dx = backward({ dy: dy!, gamma: gamma!, normalized: normalized!, r: r! }, {})[0]!
    return { x: () => tf.clone(dx), residual: () => tf.clone(dx), ...parameterGradients(dy!, normalized!) }
  }
})

/** x and residual [tokens, n], γ and β [n] → [tokens, n]; gradients for all of them. */
export const layerNorm = (
  x: Tensor2D,
  residual: Tensor2D | null,
  gamma: Tensor1D,
  beta: Tensor1D,
  epsilon: number
): Tensor2D => {
  const [y, normalized, r] =
    residual === null ? plain({ x, gamma, beta }, { epsilon }) : ofSum({ x, residual, gamma, beta }, { epsilon })
  tf.dispose([normalized!, r!]) // the tape holds its own handles
  return y as Tensor2D
}
