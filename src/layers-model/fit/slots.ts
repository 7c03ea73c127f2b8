/** What a model's inputs, and the targets of its outputs, have to be; and which of a user's values belongs where. */
import * as tf from "@tensorflow/tfjs"
import * as Result from "effect/Result"
import { closest, type PlanProblem } from "../../../schemas/index.ts"
import type { LayersNetwork } from "../../models/layers-model/from-layers-model.ts"
import type { Compiled } from "./compiled.ts"

/** An input of the model, or the target of an output. */
export interface Slot {
  /** as error messages name it, e.g. `xs "pixels"` */
  readonly path: string
  readonly name: string
  /** [null, …]: null is any size; undefined: any shape of one row or more */
  readonly shape: ReadonlyArray<number | null> | undefined
  /** targets that are class numbers: how many classes there are */
  readonly classes?: number
}

export interface Slots {
  readonly xs: ReadonlyArray<Slot>
  readonly ys: ReadonlyArray<Slot>
}

/** Losses of tfjs that compare a target with an output of the same shape: all of its own but this one. */
const SPARSE = "sparseCategoricalCrossentropy"

/** Without a compilation targets have any shape. */
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
 * One value for each slot. A list has one entry for each; a dict is looked up by name; one value is that of the only
 * slot.
 */
export const perSlot = (
  kind: "xs" | "ys",
  values: unknown,
  slots: ReadonlyArray<Slot>
): Result.Result<ReadonlyArray<unknown>, ReadonlyArray<PlanProblem>> => {
  if (slots.length === 0) return Result.succeed([]) // targets that nobody asks for
  const names = slots.map(({ name }) => name)
  if (values === undefined || values === null) {
    return Result.fail([problem(kind, `missing; expected data for ${names.join(", ")}`)])
  }
  if (isDict(values)) {
    const given = Object.keys(values)
    const missing = names.filter((name) => values[name] === undefined || values[name] === null)
    if (missing.length === 0) return Result.succeed(names.map((name) => values[name]))
    return Result.fail(
      missing.map((name) => {
        const near = closest(name, given)
        const hint = near === undefined ? "" : `; is "${near}" meant?`
        return problem(kind, `no data for "${name}", found ${given.join(", ") || "nothing"}${hint}`)
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
