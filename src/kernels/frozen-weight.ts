/**
 * A frozen weight as an operand of kernels: float32, or packed and dequantized inside the product
 * (`c/packing.h`, `webgpu/product-blocks.ts`), so that a step reads a half or a quarter of the bytes and no
 * whole W in float32 is ever made.
 *
 * A kernel has its inputs by name, and a packed weight is two, words and scales, or words alone where it is in blocks. So a kernel that reads a frozen weight
 * is defined for each form, `forEachForm`. On a backend without kernels of ours the reference dequantizes W for the time of
 * one product.
 */
import type { Tensor, Tensor1D, Tensor2D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { MatrixFormat, Packing } from "../numbers/index.ts"
import { type FrozenMatrix, isPacked } from "../tensors/index.ts"
import { dequantized } from "./dequantize.ts"
import type { WasmEngine } from "./wasm/engine.ts"
import { matrixOf, type Product } from "./wasm/product.ts"
import type { Product as WebgpuProduct } from "./webgpu/product.ts"

/** Format of a frozen weight on the device. */
export type Form = "f32" | MatrixFormat

/** Returns the storage format of a weight. */
export const formOf = (W: FrozenMatrix): Form => (isPacked(W) ? W.packing : "f32")

/** Name of a weight's input of a kernel. */
export type WeightInput = "W" | "scales"

/** Inputs of a kernel for a weight, as tensors or on a backend. Only formats with `hasScales` have `scales`. */
export type WeightInputs<T> = Readonly<Record<WeightInput, T>>

/** Returns the inputs of a kernel for a weight. */
export const weightInputs = (W: FrozenMatrix): WeightInputs<Tensor> =>
  // kernels of other forms do not look for scales
  (isPacked(W) ? { W: W.words, ...(W.scales === null ? {} : { scales: W.scales }) } : { W }) as WeightInputs<Tensor>

/** Whether a weight has a scale for each row in a tensor of its own. */
const hasScales = (form: Form): boolean => form === "f16" || form === "int8"

/** Returns `inputsToSave` for a weight of this format. */
export const weightToSave = (form: Form): ReadonlyArray<WeightInput> => (hasScales(form) ? ["W", "scales"] : ["W"])

/** Returns a weight's inputs from the saved tensors. */
export const savedWeight = (form: Form, saved: ReadonlyArray<Tensor>): WeightInputs<Tensor> =>
  Object.fromEntries(weightToSave(form).map((name, i) => [name, saved[i]!])) as WeightInputs<Tensor>

/** Returns W [out, columns] in float32, for references. */
export const wholeWeight = (form: Form, { W, scales }: WeightInputs<Tensor>, columns: number): Tensor2D =>
  form === "f32"
    ? (W as Tensor2D)
    : dequantized({
        packing: form,
        words: W as Tensor2D,
        scales: hasScales(form) ? (scales as Tensor1D) : null,
        shape: [W.shape[0]!, columns]
      })

/** Returns the weight as operand B of a product on wasm. */
export const weightOperand = (
  engine: WasmEngine,
  form: Form,
  { W, scales }: WeightInputs<TensorInfo>
): Pick<Product, "b" | "packed" | "operands"> => ({
  b: matrixOf(engine, W),
  operands: engine.products?.operands,
  ...(form === "f32" ? {} : { packed: { packing: form, scales: hasScales(form) ? scales : undefined } })
})

/** Returns the weight as operand B of a product on WebGPU. */
export const weightOnWebgpu = (
  form: Form,
  { W, scales }: WeightInputs<TensorInfo>
): Pick<WebgpuProduct, "b" | "packed"> => ({
  b: W,
  // native alone maps files
  ...(form === "f32" ? {} : { packed: { packing: form as Packing, scales: hasScales(form) ? scales : undefined } })
})

/** Returns a kernel's bias input; empty for a layer without a bias, so that no tensor of zeros is created. */
export const biasInput = (bias: Tensor | null | undefined): { readonly bias: Tensor } =>
  // kernels take it for possibly absent
  (bias == null ? {} : { bias }) as { readonly bias: Tensor }

/** Returns y + bias, for references. */
export const plusBias = (y: Tensor, bias: Tensor | undefined): Tensor => tf.add(y, bias ?? tf.zeros([y.shape[1]!]))

/** Returns the initial value of a product's sums on wasm: the bias or 0. */
export const startOf = (bias: TensorInfo | undefined): "zero" | { readonly bias: TensorInfo } =>
  bias === undefined ? "zero" : { bias }

/** Creates one definition per format. `name`: returns the kernel's name for the format. */
export const forEachForm = <T>(
  define: (form: Form, name: (baseName: string) => string) => T
): Readonly<Record<Form, T>> => {
  const of = (form: Form) => define(form, (baseName) => (form === "f32" ? baseName : `${baseName}_${form}`))
  return { f32: of("f32"), f16: of("f16"), int8: of("int8"), q4: of("q4"), q8: of("q8"), mapped: of("mapped") }
}
