/**
 * A linear layer, y = xWᵀ + bias, with W [out, in] as in the papers.
 *
 * Two kernels with one equation: `denseLinear` for a W that is trained (the backward pass needs x, so x is saved), and
 * `frozenLinear` for a frozen one (dW is never computed, x is not kept).
 *
 *   dx = dy·W    dW = dyᵀx    dbias = Σ dy over tokens
 */
import type { Tensor, Tensor1D, Tensor2D, TensorInfo } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { defineKernel } from "./kernel.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import { matrixOf, multiply } from "./wasm/product.ts"

type Input = "x" | "W" | "bias"

const reference = ({ x, W, bias }: Readonly<Record<Input, Tensor>>): ReadonlyArray<Tensor> => [
  tf.add(tf.matMul(x, W, false, true), bias)
]

/** One product, which starts at the bias. */
const wasm = ({ x, W, bias }: Readonly<Record<Input, TensorInfo>>, _: object, engine: WasmEngine) => {
  const [m, k] = x.shape as [number, number]
  const n = W.shape[0]!
  const out = engine.output([m, n])
  const [a, b, c] = [matrixOf(engine, x), matrixOf(engine, W), matrixOf(engine, out)]
  multiply(engine, { kind: "nt", m, n, k, a, b, c, start: { bias: engine.address(bias) } })
  return [out]
}

const dense = defineKernel<Input, object>({
  name: "DenseLinear",
  reference,
  wasm,
  inputsToSave: ["x", "W"],
  gradient: ([dy], [x, W]) => ({
    x: () => tf.matMul(dy!, W!),
    W: () => tf.matMul(dy!, x!, true, false),
    bias: () => tf.sum(dy!, 0)
  })
})

const frozen = defineKernel<Input, object>({
  name: "FrozenLinear",
  reference,
  wasm,
  inputsToSave: ["W"],
  gradient: ([dy], [W]) => ({ x: () => tf.matMul(dy!, W!), bias: () => tf.sum(dy!, 0) })
})

/** x [tokens, in] → [tokens, out]; gradients for x, W and bias. */
export const denseLinear = (x: Tensor2D, W: Tensor2D, bias: Tensor1D | null): Tensor2D =>
  dense({ x, W, bias: bias ?? tf.zeros([W.shape[0]]) }, {})[0] as Tensor2D

/** x [tokens, in] → [tokens, out]; gradient for x (and bias) only. */
export const frozenLinear = (x: Tensor2D, W: Tensor2D, bias: Tensor1D | null): Tensor2D =>
  frozen({ x, W, bias: bias ?? tf.zeros([W.shape[0]]) }, {})[0] as Tensor2D
