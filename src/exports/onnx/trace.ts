/**
 * Records a forward pass as a list of calls: the pass itself runs, over tensors without values.
 *
 * The backend of tfjs does no arithmetic: each kernel returns the shape of its output, and the call is recorded. Kernels of our own that have no
 * rule run their reference implementations here, and so become calls of tfjs's kernels. Inputs and parameters are recorded by name; numbers that
 * the pass itself contains, such as a scale, are constants.
 */
import type { DataType, NamedAttrMap, NamedTensorInfoMap, Tensor, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { kernelNames, referenceOf } from "../../kernels/index.ts"

/** Error of a kernel that has no rule in the format. */
export class UnknownOperation extends Schema.TaggedError<UnknownOperation>()("UnknownOperation", {
  kernel: Schema.String
}) {
  override get message() {
    return `the forward pass of this model runs tfjs's kernel ${this.kernel}, which cannot be written as ONNX yet; nothing was written, use another --format (or add a rule to src/exports/onnx/rules.ts)`
  }
}

/** Source of a value that is not the output of a call. */
export type Origin =
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "parameter"; readonly name: string }
  /** constants of the pass; a tensor with one value everywhere has that value only */
  | { readonly kind: "constant"; readonly values: ReadonlyArray<number> }
  /** a tensor that the model keeps in addition to its parameters, by its index among those of all traces */
  | { readonly kind: "kept"; readonly place: number }

/** A tensor of the pass. `D`: type of a dimension. */
export interface Value<D = number> {
  readonly shape: ReadonlyArray<D>
  readonly dtype: DataType
  readonly origin?: Origin
}

/** A kernel that ran, with its inputs and outputs as indices of values. */
export interface Call {
  readonly kernel: string
  readonly inputs: Readonly<Record<string, number | ReadonlyArray<number>>>
  readonly attributes: Readonly<Record<string, unknown>>
  readonly outputs: ReadonlyArray<number>
}

export interface Trace<D = number> {
  readonly values: ReadonlyArray<Value<D>>
  readonly calls: ReadonlyArray<Call>
  readonly outputs: Readonly<Record<string, number>>
}

export type Infos = Readonly<Record<string, TensorInfo>>
/** Returns the shape and dtype of a kernel's output (default dtype: that of the first input), or a list for several outputs. */
export type ShapeOf = (inputs: Infos, attributes: NamedAttrMap) => Made | Array<Made>
interface Made {
  readonly shape: number[]
  readonly dtype?: DataType
}

const BACKEND = "tfjs-lora-pro-trace"

/** Factories of the pass's placeholder tensors. */
export interface Placeholders {
  readonly input: (name: string, shape: ReadonlyArray<number>, dtype: DataType) => Tensor
  readonly parameter: (name: string, shape: ReadonlyArray<number>) => Tensor
}

type BackendValues = Parameters<tf.KernelBackend["write"]>[0]

const constant = (values: BackendValues, shape: ReadonlyArray<number>, dtype: DataType): Value => ({
  shape: [...shape],
  dtype,
  origin: { kind: "constant", values: Array.from(values as ArrayLike<number>) } // no pass has strings
})

class Recorder extends tf.KernelBackend {
  values: Array<Value> = []
  calls: Array<Call> = []
  constants: Array<Tensor> = []
  #places = new WeakMap<object, number>()
  /** what tensors of this backend there are: tfjs counts what a kernel leaves behind */
  readonly #live = new Set<object>()

  begin(): void {
    this.values = []
    this.calls = []
    this.#places = new WeakMap()
  }

  add(value: Value): object {
    const dataId = {}
    this.#live.add(dataId)
    this.#places.set(dataId, this.values.length)
    this.values.push(value)
    return dataId
  }

  placeOf(info: TensorInfo): number {
    const known = this.#places.get(info.dataId)
    if (known !== undefined) return known
    // of the device's backend: whatever a pass makes itself is noted here
    const tensor = info as Tensor
    const seen = this.constants.findIndex(({ dataId }) => dataId === tensor.dataId)
    const place = seen === -1 ? this.constants.push(tensor) - 1 : seen
    this.#places.set(info.dataId, this.values.length)
    return this.values.push({ shape: [...info.shape], dtype: info.dtype, origin: { kind: "kept", place } }) - 1
  }

  override write(values: BackendValues, shape: number[], dtype: DataType): object {
    return this.add(constant(values, shape, dtype))
  }

  override move(dataId: object, values: BackendValues, shape: number[], dtype: DataType): void {
    this.#places.set(dataId, this.values.length)
    this.values.push(constant(values, shape, dtype))
  }

  override refCount(): number {
    return 1
  }
  override incRef(): void {}
  override disposeData(dataId: object): boolean {
    return this.#live.delete(dataId)
  }
  override numDataIds(): number {
    return this.#live.size
  }
  override floatPrecision(): 16 | 32 {
    return 32
  }
  override epsilon(): number {
    return 1e-7
  }
  override memory() {
    return { unreliable: true }
  }
  override dispose(): void {}
}

const recorder = new Recorder()

/** The rules' kernels, those of ours that have none, and refusals of all others that some backend has. */
const register = (shapes: Readonly<Record<string, ShapeOf>>): void => {
  if (tf.findBackendFactory(BACKEND) === null) tf.registerBackend(BACKEND, () => recorder, 0)
  const isNew = (name: string) => tf.getKernel(name, BACKEND) === undefined
  const add = (kernelName: string, kernelFunc: tf.KernelFunc) => {
    if (isNew(kernelName)) tf.registerKernel({ kernelName, backendName: BACKEND, kernelFunc })
  }
  for (const [kernel, shapeOf] of Object.entries(shapes)) {
    // ours have lists of outputs, of which the first is the result
    const isOurs = referenceOf(kernel) !== undefined
    add(kernel, ({ inputs, attrs }) => {
      const made = noted(kernel, inputs, attrs ?? {}, shapeOf)
      return isOurs && !Array.isArray(made) ? [made] : made
    })
  }
  for (const name of kernelNames()) {
    const reference = referenceOf(name)!
    add(name, ({ inputs, attrs }): TensorInfo[] =>
      tf.tidy(() => [...reference(inputs as Record<string, Tensor>, attrs as object)])
    )
  }
  for (const backend of ["cpu", "wasm", "webgpu"]) {
    for (const { kernelName } of tf.getKernelsForBackend(backend)) {
      add(kernelName, () => {
        throw new UnknownOperation({ kernel: kernelName })
      })
    }
  }
}

const noted = (
  kernel: string,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
  shapeOf: ShapeOf
): TensorInfo | TensorInfo[] => {
  const tensors = Object.entries(inputs).filter(([, input]) => (input as TensorInfo | undefined) !== undefined)
  const places = tensors.map(([name, input]) => {
    const place = Array.isArray(input) ? input.map((one) => recorder.placeOf(one)) : recorder.placeOf(input!)
    return [name, place] as const
  })
  const first = tensors.map(([, input]) => (Array.isArray(input) ? input[0] : input))[0] as TensorInfo | undefined
  const made = shapeOf(inputs as Infos, attributes)
  const outputs = [made].flat().map(({ shape, dtype = first?.dtype ?? "float32" }): TensorInfo => {
    return { dataId: recorder.add({ shape, dtype }), shape, dtype }
  })
  recorder.calls.push({
    kernel,
    inputs: Object.fromEntries(places),
    attributes: { ...attributes },
    outputs: outputs.map((one) => recorder.placeOf(one))
  })
  return Array.isArray(made) ? outputs : outputs[0]!
}

const placeholder = (value: Value): Tensor =>
  tf.engine().makeTensorFromTensorInfo({ dataId: recorder.add(value), shape: [...value.shape], dtype: value.dtype })

const placeholders: Placeholders = {
  input: (name, shape, dtype) => placeholder({ shape: [...shape], dtype, origin: { kind: "input", name } }),
  parameter: (name, shape) => placeholder({ shape: [...shape], dtype: "float32", origin: { kind: "parameter", name } })
}

/**
 * Runs each pass over placeholder tensors and returns its trace and the device tensors that it used. Restores the backend afterwards.
 *
 * @example
 * import * as tf from "@tensorflow/tfjs-core"
 * import { type ShapeOf, traced } from "./trace.ts"
 *
 * // x [2] and x [3] through a ReLU: what is a number in one trace and another in the other is a size of the input.
 * const relus = (shapes: Readonly<Record<string, ShapeOf>>) =>
 *   traced(
 *     shapes,
 *     [2, 3].map((n) => ({ input }) => ({ y: tf.relu(input("x", [n], "float32")) }))
 *   )
 */
export const traced = (
  shapes: Readonly<Record<string, ShapeOf>>,
  passes: ReadonlyArray<(placeholders: Placeholders) => Readonly<Record<string, Tensor>>>
): Effect.Effect<
  { readonly traces: ReadonlyArray<Trace>; readonly constants: ReadonlyArray<Tensor> },
  UnknownOperation
> =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const before = tf.getBackend()
      recorder.constants = []
      register(shapes)
      await tf.setBackend(BACKEND)
      return before
    }),
    () => Effect.suspend(() => attempted(() => ({ traces: passes.map(traceOf), constants: recorder.constants }))),
    (before) => Effect.promise(() => tf.setBackend(before))
  )

const traceOf = (pass: (placeholders: Placeholders) => Readonly<Record<string, Tensor>>): Trace => {
  recorder.begin()
  const outputs: Record<string, number> = {}
  tf.tidy(() => {
    const made = pass(placeholders)
    for (const [name, one] of Object.entries(made)) outputs[name] = recorder.placeOf(one)
    tf.dispose(Object.values(made)) // a pass may keep what is read after it
  })
  return { values: recorder.values, calls: recorder.calls, outputs }
}

const attempted = <A>(act: () => A): Effect.Effect<A, UnknownOperation> => {
  try {
    return Effect.succeed(act())
  } catch (error) {
    if (error instanceof UnknownOperation) return Effect.fail(error)
    // tfjs's own words for a kernel that no backend has
    const kernel = /Kernel '(\w+)' not registered/.exec((error as Error).message)?.[1]
    return kernel === undefined ? Effect.die(error) : Effect.fail(new UnknownOperation({ kernel }))
  }
}
