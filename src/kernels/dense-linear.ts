/**
 * A linear layer, y = xWᵀ + bias, with W [out, in] as in the papers.
 *
 * Two kernels with one equation: `denseLinear` for a W that is trained (the backward pass needs x, so x is saved), and
 * `frozenLinear` for a frozen one (dW is never computed, x is not kept).
 *
 *   dx = dy·W    dW = dyᵀx    dbias = Σ dy over tokens
 */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { defineKernel } from "./kernel.ts"

const product = ({ x, W }: { readonly x: Tensor; readonly W: Tensor }): Tensor => tf.matMul(x, W, false, true)

const dense = defineKernel<"x" | "W", object>({
  name: "DenseLinear",
  reference: (inputs) => [product(inputs)],
  inputsToSave: ["x", "W"],
  gradient: ([dy], [x, W]) => ({
    x: () => tf.matMul(dy!, W!),
    W: () => tf.matMul(dy!, x!, true, false)
  })
})

const frozen = defineKernel<"x" | "W", object>({
  name: "FrozenLinear",
  reference: (inputs) => [product(inputs)],
  inputsToSave: ["W"],
  gradient: ([dy], [W]) => ({ x: () => tf.matMul(dy!, W!) })
})

const withBias = (y: Tensor, bias: Tensor1D | null): Tensor2D => (bias === null ? y : tf.add(y, bias)) as Tensor2D

/** x [tokens, in] → [tokens, out]; gradients for x, W and bias. */
export const denseLinear = (x: Tensor2D, W: Tensor2D, bias: Tensor1D | null): Tensor2D =>
  withBias(dense({ x, W }, {})[0]!, bias)

/** x [tokens, in] → [tokens, out]; gradient for x (and bias) only. */
export const frozenLinear = (x: Tensor2D, W: Tensor2D, bias: Tensor1D | null): Tensor2D =>
  withBias(frozen({ x, W }, {})[0]!, bias)
