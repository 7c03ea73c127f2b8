/**
 * A linear layer, y = xWᵀ + bias, with W [out, in] as in the papers.
 *
 * Two kernels with one equation: `denseLinear` for a W that is trained (the backward pass needs x, so x is saved), and
 * `frozenLinear` for a frozen one, which may be packed (dW is never computed, x is not kept).
 *
 *   dx = dy·W    dW = dyᵀx    dbias = Σ dy over tokens
 */
import type { Tensor, Tensor1D, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { FrozenMatrix } from "../tensors/index.ts"
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
import { type WasmEngine, wasmEngineOf } from "./wasm/engine.ts"
import { matrixOf, multiply, type Product } from "./wasm/product.ts"
import type { WebgpuEngine } from "./webgpu/engine.ts"
import { programs } from "./webgpu/loaded.ts"

type Input = "x" | WeightInput | "bias"

const reference =
  (form: Form) =>
  ({ x, bias, ...weight }: Readonly<Record<Input, Tensor>>): ReadonlyArray<Tensor> => [
    plusBias(tf.matMul(x, wholeWeight(form, weight, x.shape[1]!), false, true), bias)
  ]

/** One product, which starts at the bias; in float32 if W is trained. */
const wasm =
  (form: Form, rest: Pick<Product, "operands"> = {}) =>
  ({ x, bias, ...weight }: Readonly<Record<Input, TensorInfo>>, _: object, engine: WasmEngine) => [
    product(engine, { kind: "nt", form, a: x, weight, n: weight.W.shape[0]!, start: startOf(bias), ...rest })
  ]

/** The same in one dispatch. */
const webgpu =
  (form: Form) =>
  ({ x, bias, ...weight }: Readonly<Record<Input, TensorInfo>>, _: object, engine: WebgpuEngine) => {
    const [m, k] = x.shape as [number, number]
    const n = weight.W.shape[0]!
    return [programs().multiplyOnWebgpu(engine, { kind: "nt", m, n, k, a: x, ...weightOnWebgpu(form, weight), bias })]
  }

interface WithWeight extends Pick<Product, "start" | "operands"> {
  readonly kind: "nt" | "nn"
  readonly form: Form
  readonly a: TensorInfo
  readonly weight: WeightInputs<TensorInfo>
  readonly n: number
}

const product = (engine: WasmEngine, { kind, form, a, weight, n, ...rest }: WithWeight): TensorInfo => {
  const [m, k] = a.shape as [number, number]
  const out = engine.output([m, n])
  const c = matrixOf(engine, out)
  multiply(engine, { kind, m, n, k, a: matrixOf(engine, a), ...weightOperand(engine, form, weight), c, ...rest })
  return out
}

const dense = defineKernel<Input, object>({
  name: "DenseLinear",
  reference: reference("f32"),
  wasm: wasm("f32", { operands: 0 }),
  webgpu: webgpu("f32"),
  inputsToSave: ["x", "W"],
  gradient: ([dy], [x, W]) => ({
    x: () => tf.matMul(dy!, W!),
    W: () => tf.matMul(dy!, x!, true, false),
    bias: () => tf.sum(dy!, 0)
  })
})

/** of W: how many columns a packed one has, its shape does not say */
interface Columns {
  readonly columns: number
}

/** dx = dy·W */
const backward = forEachForm((form, name) =>
  defineKernel<"dy" | WeightInput, Columns>({
    name: name("FrozenLinearBackward"),
    reference: ({ dy, ...weight }, { columns }) => [tf.matMul(dy, wholeWeight(form, weight, columns))],
    wasm: ({ dy, ...weight }, { columns }, engine) => [
      product(engine, { kind: "nn", form, a: dy, weight, n: columns })
    ],
    webgpu: ({ dy, ...weight }, { columns }, engine) => {
      const [m, k] = dy.shape as [number, number]
      return [
        programs().multiplyOnWebgpu(engine, { kind: "nn", m, n: columns, k, a: dy, ...weightOnWebgpu(form, weight) })
      ]
    }
  })
)

/** Computes dx = dy·W from the inputs of a kernel. `columns`: of W. */
export const frozenGradient = (form: Form, dy: Tensor, weight: WeightInputs<Tensor>, columns: number): Tensor =>
  form === "f32" && wasmEngineOf(tf.backend())?.products === undefined
    ? tf.matMul(dy, weight.W)
    : backward[form]({ dy, ...weight }, { columns })[0]!

const frozen = forEachForm((form, name) =>
  defineKernel<Input, Columns>({
    name: name("FrozenLinear"),
    reference: reference(form),
    wasm: wasm(form),
    webgpu: webgpu(form),
    inputsToSave: weightToSave(form),
    gradient: ([dy], saved, { columns }) => ({
      x: () => frozenGradient(form, dy!, savedWeight(form, saved), columns),
      bias: () => tf.sum(dy!, 0)
    })
  })
)

/** Computes x·Wᵀ + bias: x [tokens, in] → [tokens, out]; gradients for x, W and bias. */
export const denseLinear = (x: Tensor2D, W: Tensor2D, bias: Tensor1D | null): Tensor2D =>
  dense({ x, ...weightInputs(W), ...biasInput(bias) }, {})[0] as Tensor2D

/** Computes x·Wᵀ + bias with frozen W: x [tokens, in] → [tokens, out]; gradients for x and bias only. */
export const frozenLinear = (x: Tensor2D, W: FrozenMatrix, bias: Tensor1D | null): Tensor2D =>
  frozen[formOf(W)]({ x, ...weightInputs(W), ...biasInput(bias) }, { columns: W.shape[1] })[0] as Tensor2D
