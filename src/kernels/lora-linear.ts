/**
 * An adapted linear layer: y = xWᵀ + bias + s·(xAᵀ)Bᵀ, with W and bias frozen.
 *
 * W + s·BA is never formed, and neither is dW: the forward pass costs one product with W and two thin ones, the
 * backward pass the same for dx and two thin ones for the factors. Kept for it: x (which the layer before holds anyway)
 * and h = s·xAᵀ.
 *
 *   dh = s·dy·B    dx = dy·W + dh·A    dA = dhᵀx    dB = dyᵀh
 *
 * Shapes: x [tokens, in], W [out, in], A [r, in], B [out, r], h [tokens, r]. s is a factor of the two products whose result is thin, and so
 * costs neither a kernel nor a pass of its own.
 *
 * On wasm and webgpu each direction is one product: the thin pair runs in its accumulators, and a packed W is dequantized
 * inside. Gradients are those of the function that is computed, whose W is the dequantized one. On webgpu a layer in float32 without a mask
 * goes with others of its input (`lora-linears.ts`).
 *
 * With a mask the adapter's input is dropped, and W's is not (LoRA's dropout):
 *
 *   y = xWᵀ + bias + s·(D(x)Aᵀ)Bᵀ    dx = dy·W + D(dh·A)    dA = dhᵀD(x)    D = dropout of this mask
 *
 * x is kept and not D(x), which the backward pass makes again. dx is then two products and a sum.
 */
import type { Tensor, Tensor1D, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { FrozenMatrix } from "../tensors/index.ts"
import { frozenGradient } from "./dense-linear.ts"
import { type DropoutMask, dropout, dropoutOnWasm, dropoutOnWebgpu } from "./dropout.ts"
import {
  biasInput,
  type Form,
  forEachForm,
  formOf,
  plusBias,
  savedWeight,
  startOf,
  type WeightInput,
  type WeightInputs,
  weightInputs,
  weightOnWebgpu,
  weightOperand,
  weightToSave,
  wholeWeight
} from "./frozen-weight.ts"
import { defineKernel } from "./kernel.ts"
import { loraLinears } from "./lora-linears.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import { matrixOf, multiply, type Product } from "./wasm/product.ts"
import { programs } from "./webgpu/loaded.ts"

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
    webgpu: ({ dy, dh, A, ...weight }, _, engine) => {
      const [m, k] = dy.shape as [number, number]
      const [r, n] = A.shape as [number, number]
      const second = { a: dh, b: A, k: r }
      return [
        programs().multiplyOnWebgpu(engine, { kind: "nn", m, n, k, a: dy, ...weightOnWebgpu(form, weight), second })
      ]
    }
  })
)

interface Fused {
  readonly kind: "nt" | "nn"
  readonly form: Form
  readonly a: TensorInfo
  readonly weight: WeightInputs<TensorInfo>
  readonly second: readonly [TensorInfo, TensorInfo]
  readonly n: number
  readonly start: NonNullable<Product["start"]>
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

/** s·op(a)·op(b) of whole matrices. */
const thin = (engine: WasmEngine, kind: "nt" | "nn", a: TensorInfo, b: TensorInfo, scale: number): TensorInfo => {
  const [m, k] = a.shape as [number, number]
  const n = b.shape[kind === "nt" ? 0 : 1]!
  const out = engine.output([m, n])
  multiply(engine, { kind, m, n, k, a: matrixOf(engine, a), b: matrixOf(engine, b), c: matrixOf(engine, out), scale })
  return out
}

/** s·a·b */
const scaledProduct = defineKernel<"a" | "b", { readonly scale: number }>({
  name: "ScaledProduct",
  reference: ({ a, b }, { scale }) => [tf.mul(tf.matMul(a, b), scale)],
  wasm: ({ a, b }, { scale }, engine) => [thin(engine, "nn", a, b, scale)],
  webgpu: ({ a, b }, { scale }, engine) => {
    const [m, k] = a.shape as [number, number]
    return [programs().multiplyOnWebgpu(engine, { kind: "nn", m, n: b.shape[1]!, k, a, b, scale })]
  }
})

interface Attributes {
  readonly scale: number
  readonly mask: DropoutMask | undefined
}

const droppedBy = (mask: DropoutMask | undefined, x: Tensor): Tensor => (mask === undefined ? x : dropout(x, mask))

const adapted = forEachForm((form, name) =>
  defineKernel<"x" | WeightInput | "bias" | "A" | "B", Attributes>({
    name: name("LoraLinear"),
    reference: ({ x, bias, A, B, ...weight }, { scale, mask }) => {
      const h = tf.mul(tf.matMul(droppedBy(mask, x), A, false, true), scale)
      const W = wholeWeight(form, weight, x.shape[1]!)
      return [plusBias(tf.add(tf.matMul(x, W, false, true), tf.matMul(h, B, false, true)), bias), h]
    },
    // as the reference, in kernels of ours alone: tfjs' ops between them took as long as a thin product
    wasm: ({ x, bias, A, B, ...weight }, { scale, mask }, engine) => {
      const seen = mask === undefined ? x : dropoutOnWasm(engine, x, mask)
      const h = thin(engine, "nt", seen, A, scale)
      if (seen !== x) engine.dispose(seen)
      const start = startOf(bias)
      return [fused(engine, { kind: "nt", form, a: x, weight, second: [h, B], n: B.shape[0]!, start }), h]
    },
    webgpu: ({ x, bias, A, B, ...weight }, { scale, mask }, engine) => {
      const [m, k] = x.shape as [number, number]
      const [n, r] = B.shape as [number, number]
      const seen = mask === undefined ? x : dropoutOnWebgpu(engine, x, mask)
      const h = programs().multiplyOnWebgpu(engine, { kind: "nt", m, n: r, k, a: seen, b: A, scale })
      if (seen !== x) engine.dispose(seen)
      const second = { a: h, b: B, k: r }
      const W = weightOnWebgpu(form, weight)
      return [programs().multiplyOnWebgpu(engine, { kind: "nt", m, n, k, a: x, ...W, second, bias }), h]
    },
    inputsToSave: ["x", "A", "B", ...weightToSave(form)],
    outputsToSave: [false, true],
    gradient: ([dy], [x, A, B, ...rest], { scale, mask }) => {
      const h = rest.at(-1)! // an output, after the inputs
      const weight = savedWeight(form, rest)
      // here rather than in a closure: dx and dA both need it
      const dh = scaledProduct({ a: dy!, b: B! }, { scale })[0]!
      return {
        x: () =>
          mask === undefined
            ? backward[form]({ dy: dy!, ...weight, dh, A: A! }, {})[0]!
            : tf.add(frozenGradient(form, dy!, weight, x!.shape[1]!), dropout(tf.matMul(dh, A!), mask)),
        A: () => tf.matMul(dh, droppedBy(mask, x!), true, false),
        B: () => tf.matMul(dy!, h, true, false)
      }
    }
  })
)

/**
 * Computes x(W + s·BA)ᵀ + bias without forming the sum: x [tokens, in] → [tokens, out]; gradients for x, A and B. `mask`: dropout of the
 * adapter's input.
 */
export const loraLinear = (
  x: Tensor2D,
  W: FrozenMatrix,
  bias: Tensor1D | null,
  A: Tensor2D,
  B: Tensor2D,
  scale: number,
  mask?: DropoutMask
): Tensor2D => {
  const alone = mask === undefined ? loraLinears(x, [{ W, bias, A, B, scale }], { passes: false }) : undefined
  if (alone !== undefined) return alone.outputs[0]!
  const inputs = { x, ...weightInputs(W), ...biasInput(bias), A, B }
  const [y, h] = adapted[formOf(W)](inputs, { scale, mask })
  h!.dispose() // the tape holds its own handle
  return y as Tensor2D
}
