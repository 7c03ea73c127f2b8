/**
 * An adapted linear layer: y = xWᵀ + bias + s·(xAᵀ)Bᵀ, with W and bias frozen.
 *
 * W + s·BA is never formed, and neither is dW: the forward pass costs one product with W and two thin ones, the backward pass
 * the same for dx and two thin ones for the factors. Kept for it: x (which the layer before holds anyway) and h = xAᵀ.
 *
 *   dh = s·dy·B    dx = dy·W + dh·A    dA = dhᵀx    dB = s·dyᵀh
 *
 * Shapes: x [tokens, in], W [out, in], A [r, in], B [out, r], h [tokens, r]. s is folded into B, the smallest operand.
 *
 * On wasm each direction is one product: the thin pair runs in its accumulators, which start at the bias.
 */
import type { Tensor1D, Tensor2D, TensorInfo } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { defineKernel } from "./kernel.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import { matrixOf, multiply } from "./wasm/product.ts"

/** y = x·Wᵀ + bias + h·Bᵀ, where B is scaled already. */
const forward = defineKernel<"x" | "W" | "bias" | "h" | "B", object>({
  name: "LoraLinearForward",
  reference: ({ x, W, bias, h, B }) => [
    tf.add(tf.add(tf.matMul(x, W, false, true), tf.matMul(h, B, false, true)), bias)
  ],
  wasm: ({ x, W, bias, h, B }, _, engine) => [
    fused(engine, "nt", [x, W], [h, B], W.shape[0]!, { bias: engine.address(bias) })
  ],
  inputsToSave: []
})

/** dx = dy·W + dh·A */
const backward = defineKernel<"dy" | "W" | "dh" | "A", object>({
  name: "LoraLinearBackward",
  reference: ({ dy, W, dh, A }) => [tf.add(tf.matMul(dy, W), tf.matMul(dh, A))],
  wasm: ({ dy, W, dh, A }, _, engine) => [fused(engine, "nn", [dy, W], [dh, A], W.shape[1]!, "zero")],
  inputsToSave: []
})

type Pair = readonly [TensorInfo, TensorInfo]

const fused = (
  engine: WasmEngine,
  kind: "nt" | "nn",
  [a, b]: Pair,
  [a2, b2]: Pair,
  n: number,
  start: "zero" | { readonly bias: number }
): TensorInfo => {
  const [m, k] = a.shape as [number, number]
  const out = engine.output([m, n])
  multiply(engine, {
    kind,
    m,
    n,
    k,
    a: matrixOf(engine, a),
    b: matrixOf(engine, b),
    c: matrixOf(engine, out),
    start,
    second: { a: matrixOf(engine, a2), b: matrixOf(engine, b2), k: a2.shape[1]! }
  })
  return out
}

const adapted = defineKernel<"x" | "W" | "bias" | "A" | "B", { readonly scale: number }>({
  name: "LoraLinear",
  reference: ({ x, W, bias, A, B }, { scale }) => {
    const h = tf.matMul(x, A, false, true)
    return [forward({ x, W, bias, h, B: tf.mul(B, scale) }, {})[0]!, h]
  },
  inputsToSave: ["x", "W", "A", "B"],
  outputsToSave: [false, true],
  gradient: ([dy], [x, W, A, B, h], { scale }) => {
    // here rather than in a closure: dx and dA both need it
    const dh = tf.tidy(() => tf.matMul(dy!, tf.mul(B!, scale)))
    return {
      x: () => backward({ dy: dy!, W: W!, dh, A: A! }, {})[0]!,
      A: () => tf.matMul(dh, x!, true, false),
      B: () => tf.matMul(dy!, tf.mul(h!, scale), true, false)
    }
  }
})

/** x [tokens, in] → [tokens, out]; gradients for x, A and B. */
export const loraLinear = (
  x: Tensor2D,
  W: Tensor2D,
  bias: Tensor1D | null,
  A: Tensor2D,
  B: Tensor2D,
  scale: number
): Tensor2D => {
  const [y, h] = adapted({ x, W, bias: bias ?? tf.zeros([W.shape[0]]), A, B }, { scale })
  h!.dispose() // the tape holds its own handle
  return y as Tensor2D
}
