/**
 * The contract of a kernel of our own: one name in tfjs's tables, a reference composed of tfjs ops that runs on every backend,
 * and one lazy gradient.
 *
 * Why kernels, where ops would do: `tf.registerGradient` computes the gradient of an input only when something trainable depends
 * on it (`tf.customGrad` and `tf.fused.matMul` compute all of them, dW of a frozen W too), the tape holds one entry instead of a
 * dozen, and only what `inputsToSave`/`outputsToSave` name stays alive until the backward pass.
 *
 * A faster implementation for one backend lies beside the reference and is tested against it: `wasm` and `webgpu`, on the engines
 * that the devices of these names provide. Without an engine (a backend that somebody else opened), and for empty inputs, the
 * reference runs. What `webgpu` runs it takes from `webgpu/loaded.ts`: programs for the GPU come with the device, not with the kernel.
 */
import type { NamedTensorMap, Tensor, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { isRecording, ofFirst } from "../tensors/index.ts"
import { type WasmEngine, wasmEngineOf } from "./wasm/engine.ts"
import { type WebgpuEngine, webgpuEngineOf } from "./webgpu/engine.ts"

/** Definition of a kernel for `defineKernel`. */
export interface KernelDefinition<Input extends string, Attributes extends object> {
  /** Name in tfjs's kernel table. */
  readonly name: string
  /** Computes the kernel's outputs with tfjs ops; the tape is off. Defines the results that other implementations must match. */
  readonly reference: (inputs: Readonly<Record<Input, Tensor>>, attributes: Attributes) => ReadonlyArray<Tensor>
  /** Computes the same outputs with this package's wasm kernels. All inputs are non-empty. */
  readonly wasm?: (
    inputs: Readonly<Record<Input, TensorInfo>>,
    attributes: Attributes,
    engine: WasmEngine
  ) => ReadonlyArray<TensorInfo>
  /** Computes the same outputs with this package's GPU programs. All inputs are non-empty. */
  readonly webgpu?: (
    inputs: Readonly<Record<Input, TensorInfo>>,
    attributes: Attributes,
    engine: WebgpuEngine
  ) => ReadonlyArray<TensorInfo>
  /** Implementation without a recording tape: the same first output, without outputs that are only saved. Default: the kernel itself. */
  readonly untaped?: Pick<KernelDefinition<Input, Attributes>, "name" | "reference" | "wasm" | "webgpu">
  /** Inputs that the gradient needs, in order; default: none. */
  readonly inputsToSave?: ReadonlyArray<Input>
  /** Whether the gradient needs each output, in order. */
  readonly outputsToSave?: ReadonlyArray<boolean>
  /** Number of outputs, from the first, that have a gradient; default 1. */
  readonly outputsWithGradient?: number
  /**
   * Returns a gradient for each input, or a function that is called only if the gradient is needed (`isWanted` returns this earlier). `saved`:
   * saved inputs, then saved outputs. Reads only the dys of outputs with a gradient; the others are only saved, and no differentiable value may
   * depend on them. Absent for kernels that only backward passes and optimizers call.
   */
  readonly gradient?: (
    dys: ReadonlyArray<Tensor>,
    saved: ReadonlyArray<Tensor>,
    attributes: Attributes
  ) => { readonly [K in Input]?: Tensor | (() => Tensor) }
}

/** Ours, and those that a program of somebody else may have opened. */
const backends = ["cpu", "wasm", "webgpu", "webgl", "tensorflow"] as const

/** Registers the kernel on every backend and returns the op that runs it. */
export const defineKernel = <Input extends string, Attributes extends object>(
  definition: KernelDefinition<Input, Attributes>
): ((inputs: Readonly<Record<Input, Tensor>>, attributes: Attributes) => ReadonlyArray<Tensor>) => {
  const { name, inputsToSave = [], outputsToSave, outputsWithGradient = 1, untaped, gradient } = definition
  register(definition)
  if (untaped !== undefined) register(untaped)
  const op = opOf(name, untaped?.name)
  if (gradient === undefined) return op
  tf.registerGradient({
    kernelName: name,
    inputsToSave: [...inputsToSave],
    ...ofFirst(outputsWithGradient),
    ...(outputsToSave === undefined ? {} : { outputsToSave: [...outputsToSave] }),
    gradFunc: (dy, saved, attrs) => {
      const gradients: Readonly<Record<string, Tensor | (() => Tensor) | undefined>> = gradient(
        Array.isArray(dy) ? dy : [dy],
        saved,
        attrs as unknown as Attributes
      )
      const closures: Record<string, () => Tensor> = {}
      for (const input in gradients) {
        const gradientOfInput = gradients[input]
        if (typeof gradientOfInput === "object") closures[input] = () => gradientOfInput
        // temporaries of a closure would otherwise live until the end of the backward pass
        else if (gradientOfInput !== undefined) closures[input] = () => tf.tidy(gradientOfInput)
      }
      return closures
    }
  })
  return op
}

const references = new Map<string, KernelDefinition<string, object>["reference"]>()

/** Returns the reference of a kernel by its name in tfjs's table, for third-party backends; undefined: not a kernel of this package. */
export const referenceOf = (name: string): KernelDefinition<string, object>["reference"] | undefined =>
  references.get(name)

/** Returns the names of this package's kernels in tfjs's table. */
export const kernelNames = (): ReadonlyArray<string> => [...references.keys()]

const hasEmpty = (inputs: Readonly<Record<string, (TensorInfo & Partial<Pick<Tensor, "size">>) | undefined>>) => {
  for (const name in inputs) {
    const tensor = inputs[name]
    // a tensor knows its size
    if (tensor !== undefined && (tensor.size === undefined ? tensor.shape.includes(0) : tensor.size === 0)) return true
  }
  return false
}

/** Puts a kernel into tfjs's tables. */
const register = <Input extends string, Attributes extends object>({
  name,
  reference,
  wasm,
  webgpu
}: Pick<KernelDefinition<Input, Attributes>, "name" | "reference" | "wasm" | "webgpu">): void => {
  references.set(name, (inputs, attributes) => reference(inputs, attributes as Attributes))
  for (const backendName of backends) {
    tf.registerKernel({
      kernelName: name,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) => {
        const known = inputs as Record<Input, TensorInfo>
        const attributes = attrs as unknown as Attributes
        const full = !hasEmpty(inputs as NamedTensorMap)
        if (full && wasm !== undefined && backendName === "wasm") {
          const engine = wasmEngineOf(backend as object)
          if (engine !== undefined) return [...wasm(known, attributes, engine)]
        }
        if (full && webgpu !== undefined && backendName === "webgpu") {
          const engine = webgpuEngineOf(backend as object)
          if (engine !== undefined) return [...webgpu(known, attributes, engine)]
        }
        return tf.tidy(() => [...reference(inputs as Record<Input, Tensor>, attributes)]) as TensorInfo[]
      }
    })
  }
}

/** The op that runs a kernel; `untaped`: the one in its place where no tape records. */
const opOf =
  (name: string, untaped = name) =>
  (inputs: Readonly<Record<string, Tensor>>, attributes: object): ReadonlyArray<Tensor> =>
    tf
      .engine()
      .runKernel(
        isRecording() ? name : untaped,
        inputs as unknown as NamedTensorMap,
        attributes as Record<string, never>
      ) as Tensor[]
