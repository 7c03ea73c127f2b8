/**
 * Rotary positions as one kernel: each pair of a head's columns, j and j + d/2, is a point that is turned by an angle of its token
 * (Su et al., arXiv 2104.09864, in the layout of transformers' Llama).
 *
 *   y = x∘cos + R(x)∘sin      R(x) = (−x₂, x₁), x = (x₁, x₂) the halves of a head      dx = dy∘cos − R(dy)∘sin
 *
 * Shapes: x, y [tokens, heads·d], cos and sin [tokens, d], one angle for both columns of a pair: then the gradient is the turn back.
 * Nothing of x is saved, only cos and sin, which all layers share.
 */
import type { Tensor, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { declareKernel, reads, write } from "./declaration.ts"
import { defineKernel } from "./kernel.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import type { WebgpuEngine } from "./webgpu/engine.ts"
import { programs } from "./webgpu/loaded.ts"

interface Attributes {
  /** −1: back */
  readonly direction: 1 | -1
}
type Input = "x" | "cos" | "sin"

/** of a number, in multiplications */
const COST = 4

/** (−x₂, x₁) of x [tokens, heads, d] */
const rotateHalf = (x: Tensor): Tensor => {
  const [first, second] = tf.split(x, 2, 2)
  return tf.concat([tf.neg(second!), first!], 2)
}

const reference = (
  { x, cos, sin }: Readonly<Record<Input, Tensor>>,
  { direction }: Attributes
): ReadonlyArray<Tensor> => {
  if (x.size === 0) return [tf.zerosLike(x)] // tfjs cannot split what is empty
  const [tokens, d] = cos.shape as [number, number]
  const points = tf.reshape(x, [tokens, x.shape[1]! / d, d])
  const angles = [tokens, 1, d]
  const along = tf.mul(points, tf.reshape(cos, angles))
  const across = tf.mul(rotateHalf(points), tf.mul(tf.reshape(sin, angles), direction))
  return [tf.reshape(tf.add(along, across), x.shape)]
}

const rotation = declareKernel({
  name: "rope",
  buffers: { ...reads("f32", "x", "cos", "sin"), out: write("f32") },
  words: { tokens: "u32", heads: "u32", d: "u32", direction: "f32" },
  split: { over: "tokens", cost: ({ heads, d }) => heads * d * COST }
})

const wasm = (
  { x, cos, sin }: Readonly<Record<Input, TensorInfo>>,
  { direction }: Attributes,
  engine: WasmEngine
): ReadonlyArray<TensorInfo> => {
  const out = engine.output(x.shape)
  const [tokens, d] = cos.shape as [number, number]
  engine.run(rotation, { x, cos, sin, out }, { tokens, heads: x.shape[1]! / d, d, direction })
  return [out]
}

const webgpu = (
  inputs: Readonly<Record<Input, TensorInfo>>,
  { direction }: Attributes,
  engine: WebgpuEngine
): ReadonlyArray<TensorInfo> => [programs().ropeOnWebgpu(engine, inputs, direction)]

const back = defineKernel<Input, Attributes>({ name: "RopeBackward", reference, wasm, webgpu })

const kernel = defineKernel<Input, Attributes>({
  name: "Rope",
  reference,
  wasm,
  webgpu,
  inputsToSave: ["cos", "sin"],
  gradient: ([dy], [cos, sin]) => ({ x: () => back({ x: dy!, cos: cos!, sin: sin! }, { direction: -1 })[0]! })
})

/** Applies rotary position embeddings: x [tokens, heads·d], cos and sin [tokens, d], d even → [tokens, heads·d]; gradient for x. */
export const rope = (x: Tensor2D, cos: Tensor2D, sin: Tensor2D): Tensor2D =>
  kernel({ x, cos, sin }, { direction: 1 })[0] as Tensor2D
