/**
 * The contract of a kernel of our own: one name in tfjs's tables, a reference composed of tfjs ops that runs on every backend,
 * and one lazy gradient.
 *
 * Why kernels, where ops would do: `tf.registerGradient` computes the gradient of an input only when something trainable depends
 * on it (`tf.customGrad` and `tf.fused.matMul` compute all of them, dW of a frozen W too), the tape holds one entry instead of a
 * dozen, and only what `inputsToSave`/`outputsToSave` name stays alive until the backward pass. A faster implementation for one
 * backend is registered under the same name and is tested against the reference.
 */
import type { NamedTensorMap, Tensor, TensorInfo } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"

export interface KernelDefinition<Input extends string, Attributes extends object> {
  /** Name in tfjs's kernel table. */
  readonly name: string
  /** Composed of tfjs ops; the tape is off inside. Returned tensors are the kernel's outputs. */
  readonly reference: (inputs: Readonly<Record<Input, Tensor>>, attributes: Attributes) => ReadonlyArray<Tensor>
  readonly inputsToSave: ReadonlyArray<Input>
  /** Which outputs the gradient needs, in order. */
  readonly outputsToSave?: ReadonlyArray<boolean>
  /** For each input a closure, called only when the gradient of that input is wanted. `saved`: saved inputs, then saved outputs. */
  readonly gradient: (
    dys: ReadonlyArray<Tensor>,
    saved: ReadonlyArray<Tensor>,
    attributes: Attributes
  ) => { readonly [K in Input]?: () => Tensor }
}

const backends = ["cpu", "wasm", "webgpu"] as const

/** Registers the kernel on every backend and returns the op that runs it. */
export const defineKernel = <Input extends string, Attributes extends object>(
  definition: KernelDefinition<Input, Attributes>
): ((inputs: Readonly<Record<Input, Tensor>>, attributes: Attributes) => ReadonlyArray<Tensor>) => {
  const { name, reference, inputsToSave, outputsToSave, gradient } = definition
  for (const backendName of backends) {
    tf.registerKernel({
      kernelName: name,
      backendName,
      kernelFunc: ({ inputs, attrs }) =>
        tf.tidy(() => [...reference(inputs as Record<Input, Tensor>, attrs as unknown as Attributes)]) as TensorInfo[]
    })
  }
  tf.registerGradient({
    kernelName: name,
    inputsToSave: [...inputsToSave],
    ...(outputsToSave === undefined ? {} : { outputsToSave: [...outputsToSave] }),
    gradFunc: (dy, saved, attrs) => {
      const closures = gradient(Array.isArray(dy) ? dy : [dy], saved, attrs as unknown as Attributes)
      // temporaries of a closure would otherwise live until the end of the backward pass
      return Object.fromEntries(
        Object.entries(closures).map(([input, closure]) => [input, () => tf.tidy(closure as () => Tensor)])
      )
    }
  })
  return (inputs, attributes) =>
    tf.engine().runKernel(name, inputs as unknown as NamedTensorMap, attributes as Record<string, never>) as Tensor[]
}
