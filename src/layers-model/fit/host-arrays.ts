/**
 * Converts user data (tensors, arrays of them, dicts by name, nested arrays, typed arrays) to arrays on the host, checked against the
 * model's inputs, outputs and losses. Never disposes the user's tensors.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { closest, type PlanProblem } from "../../../schemas/index.ts"
import { messageOf } from "../../boundary/index.ts"
import type { HostArray, LayersNetwork } from "../../models/layers-model/index.ts"
import { LayersDataError } from "../errors.ts"
import type { Compiled } from "./compiled.ts"

/** An input of the model, or the target of an output. */
export interface Slot {
  /** name in error messages, such as `xs "pixels"` */
  readonly path: string
  readonly name: string
  /** `[null, …]` with null for any size; undefined: any shape of one row or more */
  readonly shape: ReadonlyArray<number | null> | undefined
  /** number of classes, for targets that are class indices */
  readonly classes?: number
}

/** Expected shapes of a model's inputs and targets. */
export interface Slots {
  /** inputs, in the model's order */
  readonly xs: ReadonlyArray<Slot>
  /** targets, in the order of the model's outputs */
  readonly ys: ReadonlyArray<Slot>
}

/** Losses of tfjs that compare a target with an output of the same shape: all of its own but this one. */
const SPARSE = "sparseCategoricalCrossentropy"

/** Returns the slots of a model. Without a compilation, targets may have any shape. */
export const slotsOf = ({ base }: Pick<LayersNetwork, "base">, compiled?: Pick<Compiled, "losses">): Slots => ({
  xs: base.inputs.map(({ shape }, i) => {
    const name = base.inputNames?.[i] ?? `input ${i}`
    return { path: base.inputs.length > 1 ? `xs "${name}"` : "xs", name, shape }
  }),
  ys: base.outputs.map(({ shape }, i) => {
    const name = base.outputNames?.[i] ?? `output ${i}`
    const loss = compiled?.losses[i]
    const path = base.outputs.length > 1 ? `ys "${name}"` : "ys"
    if (loss === undefined) return { path, name, shape: undefined }
    return loss === SPARSE
      ? { path, name, shape: [...shape.slice(0, -1), 1], classes: shape.at(-1)! }
      : { path, name, shape }
  })
})

export const isTypedArray = (value: unknown): value is Float32Array | Int32Array | Uint8Array | Float64Array =>
  ArrayBuffer.isView(value) && !(value instanceof DataView)

const isDict = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof tf.Tensor) &&
  !isTypedArray(value)

export const problem = (path: string, message: string): PlanProblem => ({ path, message })

/**
 * Returns one value per slot. A list has one entry per slot; a dict is looked up by name; a single value belongs to the only
 * slot.
 */
export const perSlot = (
  kind: "xs" | "ys",
  values: unknown,
  slots: ReadonlyArray<Slot>
): Result.Result<ReadonlyArray<unknown>, ReadonlyArray<PlanProblem>> => {
  if (slots.length === 0) return Result.succeed([]) // targets that are not needed
  const names = slots.map(({ name }) => name)
  if (values === undefined || values === null) {
    return Result.fail([problem(kind, `missing; expected data for ${names.join(", ")}`)])
  }
  if (isDict(values)) {
    const arrayNames = Object.keys(values)
    const missing = names.filter((name) => values[name] === undefined || values[name] === null)
    if (missing.length === 0) return Result.succeed(names.map((name) => values[name]))
    return Result.fail(
      missing.map((name) => {
        const near = closest(name, arrayNames)
        const hint = near === undefined ? "" : `; is "${near}" meant?`
        return problem(kind, `no data for "${name}", found ${arrayNames.join(", ") || "nothing"}${hint}`)
      })
    )
  }
  // a list of numbers or rows is the data of the only slot; a list of tensors or typed arrays is one for each
  const several = Array.isArray(values) && values.some((value) => value instanceof tf.Tensor || isTypedArray(value))
  if (Array.isArray(values) && (several || slots.length > 1)) {
    return values.length === slots.length
      ? Result.succeed(values)
      : Result.fail([problem(kind, `found ${values.length} arrays; expected ${slots.length}, for ${names.join(", ")}`)])
  }
  if (slots.length === 1) return Result.succeed([values])
  return Result.fail([problem(kind, `found one array; expected ${slots.length}, for ${names.join(", ")}`)])
}

const shapeText = (shape: ReadonlyArray<number | null>): string => `[${shape.map((n) => n ?? "rows").join(", ")}]`

/** The array, checked against its slot. A target of one number a row may be written as [rows]. */
const fitted = (array: HostArray, { path, shape, classes }: Slot): Result.Result<HostArray, PlanProblem> => {
  if (array.shape.length === 0) return Result.fail(problem(path, "found a single number; expected rows"))
  const flat = array.shape.length === 1 || (classes !== undefined && shape?.length === array.shape.length + 1)
  const wide: HostArray = flat ? { ...array, shape: [...array.shape, 1] } : array
  const same =
    shape === undefined ||
    (shape.length === wide.shape.length && shape.slice(1).every((n, i) => n === null || n === wide.shape[i + 1]))
  if (!same) {
    const observation = `found shape ${shapeText(array.shape)}; expected ${shapeText(shape)}`
    const unbatched = shape.length === array.shape.length + 1
    return Result.fail(problem(path, unbatched ? `${observation}; the first axis counts rows` : observation))
  }
  const wrong =
    classes === undefined ? -1 : wide.values.findIndex((n) => !(Number.isInteger(n) && n >= 0 && n < classes))
  if (wrong >= 0) {
    return Result.fail(
      problem(path, `found class ${wide.values[wrong]}; expected whole numbers from 0 to ${classes! - 1}`)
    )
  }
  return Result.succeed(classes === undefined ? wide : asFloats(wide))
}

/** tfjs's loss over class numbers rounds them first, which it does for floats alone. */
const asFloats = ({ values, shape }: HostArray): HostArray => ({
  values: Float32Array.from(values),
  shape,
  dtype: "float32"
})

/** Reads a tensor, or takes an array as it is; or what is wrong with it. */
const read = async (value: unknown, slot: Slot, rows: number | undefined): Promise<HostArray | string> => {
  if (value instanceof tf.Tensor) return fromTensor(value)
  if (isTypedArray(value)) return fromTypedArray(value, slot, rows)
  if (!Array.isArray(value)) return `found ${value === null ? "null" : typeof value}; expected a tensor or an array`
  let tensor: Tensor
  try {
    tensor = tf.tensor(value as Array<number>)
  } catch (error) {
    return `not an array of numbers: ${messageOf(error)}`
  }
  const array = await fromTensor(tensor)
  tensor.dispose()
  return array
}

const fromTensor = async (tensor: Tensor): Promise<HostArray | string> => {
  const { dtype, shape } = tensor
  if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
    return `found numbers of type ${dtype}; expected float32, int32 or bool`
  }
  if (tensor.isDisposed) return "the tensor is disposed"
  return { values: await tensor.data<"float32">(), shape, dtype }
}

/** Its shape is what the model says, and how many rows there are what its length says. */
const fromTypedArray = (
  value: Float32Array | Int32Array | Uint8Array | Float64Array,
  { shape }: Slot,
  rows: number | undefined
): HostArray | string => {
  const values = value instanceof Int32Array || value instanceof Float32Array ? value : Float32Array.from(value)
  const dtype = value instanceof Int32Array ? "int32" : "float32"
  const rest = shape?.slice(1)
  if (rest?.every((n) => n !== null)) {
    const size = rest.reduce<number>((product, n) => product * n!, 1)
    if (values.length % size !== 0)
      return `found ${values.length} numbers; expected a multiple of ${size}, a row's numbers`
    return { values, dtype, shape: [values.length / size, ...(rest as ReadonlyArray<number>)] }
  }
  if (rows === undefined || values.length % rows !== 0) return "a typed array has no shape; expected a tensor here"
  return { values, dtype, shape: [rows, values.length / rows] }
}

/** Inputs and targets on the host. */
export interface HostArrays {
  readonly inputs: ReadonlyArray<HostArray>
  readonly targets: ReadonlyArray<HostArray>
}

/** Reads inputs and targets, which must have the same number of rows. `where`: as in `LayersDataError`. */
export const hostArrays = (
  xs: unknown,
  ys: unknown,
  slots: Slots,
  where: string
): Effect.Effect<HostArrays, LayersDataError> =>
  Effect.gen(function* () {
    const failed = (problems: ReadonlyArray<PlanProblem>) => new LayersDataError({ where, problems })
    const [x, y] = [perSlot("xs", xs, slots.xs), perSlot("ys", ys, slots.ys)]
    if (Result.isFailure(x) || Result.isFailure(y)) {
      return yield* failed([x, y].flatMap((one) => (Result.isFailure(one) ? one.failure : [])))
    }
    const all = [...slots.xs, ...slots.ys]
    const arrays: Array<HostArray> = []
    const problems: Array<PlanProblem> = []
    for (const [i, value] of [...x.success, ...y.success].entries()) {
      const array = yield* hostArray(value, all[i]!, arrays[0]?.shape[0])
      if (Result.isFailure(array)) problems.push(array.failure)
      else arrays.push(array.success)
    }
    if (problems.length === 0) problems.push(...unevenRows(all, arrays))
    if (problems.length > 0) return yield* failed(problems)
    return { inputs: arrays.slice(0, slots.xs.length), targets: arrays.slice(slots.xs.length) }
  })

/** `rows`: of the arrays before it, for a typed array whose shape does not follow from its slot. */
const hostArray = (
  value: unknown,
  slot: Slot,
  rows: number | undefined
): Effect.Effect<Result.Result<HostArray, PlanProblem>> =>
  Effect.promise(async () => {
    const array = await read(value, slot, rows).catch(messageOf)
    return typeof array === "string" ? Result.fail(problem(slot.path, array)) : fitted(array, slot)
  })

const unevenRows = (slots: ReadonlyArray<Slot>, arrays: ReadonlyArray<HostArray>): ReadonlyArray<PlanProblem> => {
  const rows = arrays[0]!.shape[0]!
  if (rows === 0) return [problem("xs", "found no rows")]
  return slots.flatMap(({ path }, i) => {
    const rowCount = arrays[i]!.shape[0]
    return rowCount === rows
      ? []
      : [problem(path, `found ${rowCount} rows; expected ${rows}, as ${slots[0]!.path} has`)]
  })
}
