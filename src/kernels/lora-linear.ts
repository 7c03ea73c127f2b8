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
 * On wasm each direction is one product: the thin pair runs in its accumulators, which start at the bias, and a packed W is widened
 * inside. Gradients are those of the function that is computed, whose W is what the packed one stands for.
 */
import type { Tensor1D, Tensor2D, TensorInfo } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import type { FrozenMatrix } from "../tensors/packed-matrix.ts"
import {
  type Form,
  forEachForm,
  formOf,
  savedWeight,
  type WeightInput,
  type WeightInputs,
  weightInputs,
  weightOperand,
  weightToSave,
  wholeWeight
} from "./frozen-weight.ts"
import { defineKernel } from "./kernel.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import { matrixOf, multiply } from "./wasm/product.ts"

/** y = x·Wᵀ + bias + h·Bᵀ, where B is scaled already. */
const forward = forEachForm((form, name) =>
  defineKernel<"x" | WeightInput | "bias" | "h" | "B", object>({
    name: name("LoraLinearForward"),
    reference: ({ x, bias, h, B, ...weight }) => {
      const W = wholeWeight(form, weight, x.shape[1]!)
      return [tf.add(tf.add(tf.matMul(x, W, false, true), tf.matMul(h, B, false, true)), bias)]
    },
    wasm: ({ x, bias, h, B, ...weight }, _, engine) => {
      const start = { bias: engine.address(bias) }
      return [fused(engine, { kind: "nt", form, a: x, weight, second: [h, B], n: bias.shape[0]!, start })]
    },
    inputsToSave: []
  })
)

/** dx = dy·W + dh·A */
const backward = forEachForm((form, name) =>
  defineKernel<"dy" | WeightInput | "dh" | "A", object>({
    name: name("LoraLinearBackward"),
    reference: ({ dy, dh, A, ...weight }) => [
      tf.add(tf.matMul(dy, wholeWeight(form, weight, A.shape[1]!)), tf.matMul(dh, A))
    ],
    wasm: ({ dy, dh, A, ...weight }, _, engine) => [
      fused(engine, { kind: "nn", form, a: dy, weight, second: [dh, A], n: A.shape[1]!, start: "zero" })
    ],
    inputsToSave: []
  })
)

interface Fused {
  readonly kind: "nt" | "nn"
  readonly form: Form
  readonly a: TensorInfo
  readonly weight: WeightInputs<TensorInfo>
  readonly second: readonly [TensorInfo, TensorInfo]
  readonly n: number
  readonly start: "zero" | { readonly bias: number }
}

const fused = (engine: WasmEngine, { kind, form, a, weight, second: [a2, b2], n, start }: Fused): TensorInfo => {
  const [m, k] = a.shape as [number, number]
  const out = engine.output([m, n])
  multiply(engine, {
    kind,
    m,
    n,
    k,
    a: matrixOf(engine, a),
    ...weightOperand(engine, form, weight),
    c: matrixOf(engine, out),
    start,
    second: { a: matrixOf(engine, a2), b: matrixOf(engine, b2), k: a2.shape[1]! }
  })
  return out
}

const adapted = forEachForm((form, name) =>
  defineKernel<"x" | WeightInput | "bias" | "A" | "B", { readonly scale: number }>({
    name: name("LoraLinear"),
    reference: ({ x, bias, A, B, ...weight }, { scale }) => {
      const h = tf.matMul(x, A, false, true)
      return [forward[form]({ x, ...weight, bias, h, B: tf.mul(B, scale) }, {})[0]!, h]
    },
    inputsToSave: ["x", "A", "B", ...weightToSave(form)],
    outputsToSave: [false, true],
    gradient: ([dy], [x, A, B, ...rest], { scale }) => {
      const h = rest.at(-1)! // an output, after the inputs
      const weight = savedWeight(form, rest)
      // here rather than in a closure: dx and dA both need it
      const dh = tf.tidy(() => tf.matMul(dy!, tf.mul(B!, scale)))
      return {
        x: () => backward[form]({ dy: dy!, ...weight, dh, A: A! }, {})[0]!,
        A: () => tf.matMul(dh, x!, true, false),
        B: () => tf.matMul(dy!, tf.mul(h, scale), true, false)
      }
    }
  })
)

/** x [tokens, in] → [tokens, out]; gradients for x, A and B. */
export const loraLinear = (
  x: Tensor2D,
  W: FrozenMatrix,
  bias: Tensor1D | null,
  A: Tensor2D,
  B: Tensor2D,
  scale: number
): Tensor2D => {
  const inputs = { x, ...weightInputs(W), bias: bias ?? tf.zeros([W.shape[0]]), A, B }
  const [y, h] = adapted[formOf(W)](inputs, { scale })
  h!.dispose() // the tape holds its own handle
  return y as Tensor2D
}
