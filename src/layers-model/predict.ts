/** Predicts with a LayersModel and its active adapter, as `model.predict` does. */
import * as tf from "@tensorflow/tfjs-core"
import type * as tfl from "@tensorflow/tfjs-layers"
import type { Adapted } from "../../adapters/index.ts"
import type { LayersNetwork } from "../models/layers-model/index.ts"
import { tidy } from "../tensors/index.ts"
import { adaptError } from "./errors.ts"

/** Options for `predict`. */
export interface PredictOptions {
  /** rows per forward pass, at least 1; default 32, as in tfjs */
  readonly batchSize?: number
}

/** Model input: one tensor for each input of the model, in their order or by name. */
export type ModelInput = tf.Tensor | ReadonlyArray<tf.Tensor> | Readonly<Record<string, tf.Tensor>>

/**
 * Predicts with the adapter: one tensor if the model has one output, else one per output. Synchronous tensor code; the caller disposes the
 * result. Throws an AdaptError if `x` does not fit the model's inputs.
 */
export const predictAdapted = (
  adapted: Adapted<LayersNetwork>,
  x: ModelInput,
  { batchSize = 32 }: PredictOptions = {}
): tf.Tensor | Array<tf.Tensor> => {
  const { base } = adapted.model
  if (!(Number.isInteger(batchSize) && batchSize >= 1)) {
    throw adaptError(base.name, `batchSize: found ${batchSize}; expected an integer of at least 1`)
  }
  const outputs = tidy(() => {
    const inputs = inputsOf(base, x)
    const rows = inputs[0]!.shape[0]!
    const batches: Array<ReadonlyArray<tf.Tensor>> = []
    for (let from = 0; from < rows; from += batchSize) {
      const size = Math.min(batchSize, rows - from)
      const part = size === rows ? inputs : inputs.map((input) => tf.slice(input, from, size))
      batches.push(adapted.forward(part, adapted.trainable))
    }
    return base.outputs.map((_, i) =>
      batches.length === 1
        ? tf.clone(batches[0]![i]!)
        : tf.concat(
            batches.map((batch) => batch[i]!),
            0
          )
    )
  })
  return outputs.length === 1 ? outputs[0]! : outputs
}

/** Calls `model.predict` itself, after resolving inputs given by name. */
export const predictBase = (base: tfl.LayersModel, x: ModelInput, options: PredictOptions = {}) => {
  const inputs = namedInputs(base, x)
  return base.predict(inputs.length === 1 ? inputs[0]! : [...inputs], { ...options }) as tf.Tensor | Array<tf.Tensor>
}

/** One tensor for each input, of rank 2 or higher as tfjs has it. Tensor code. */
const inputsOf = (base: tfl.LayersModel, x: ModelInput): ReadonlyArray<tf.Tensor> => {
  const names = base.inputNames
  const tensors = namedInputs(base, x)
  const inputs = tensors.map((input) => (input.rank === 1 ? tf.expandDims(input, 1) : input))
  const problems = inputs.flatMap((input, i) => {
    const expected = base.inputs[i]!.shape
    const fits = input.rank === expected.length && expected.every((n, axis) => n === null || n === input.shape[axis])
    return fits ? [] : [`input ${names[i]}: found shape [${shapeText(input.shape)}], expected [${shapeText(expected)}]`]
  })
  const rows = inputs.map(({ shape }) => shape[0]!)
  if (problems.length === 0 && new Set(rows).size > 1)
    problems.push(`inputs have ${rows.join(", ")} rows; expected as many in each`)
  if (problems.length === 0 && rows[0] === 0) problems.push("found no rows; expected at least one")
  if (problems.length > 0) throw adaptError(base.name, problems.join("\n"))
  return inputs
}

const namedInputs = ({ name, inputNames }: tfl.LayersModel, x: ModelInput): ReadonlyArray<tf.Tensor> => {
  const expected = inputNames.length === 1 ? "a tensor" : `${inputNames.length} tensors, for ${inputNames.join(", ")}`
  const wrong = (observation: string) => adaptError(name, `found ${observation}; expected ${expected}`)
  if (x instanceof tf.Tensor) {
    if (inputNames.length > 1) throw wrong("one tensor")
    return [x]
  }
  if (Array.isArray(x)) {
    if (x.length !== inputNames.length) throw wrong(`${x.length} tensors`)
    return x as ReadonlyArray<tf.Tensor>
  }
  const named = x as Readonly<Record<string, tf.Tensor>>
  return inputNames.map((input) => {
    const tensor = named[input]
    if (tensor === undefined) throw wrong(`tensors for ${Object.keys(named).join(", ") || "no input"}`)
    return tensor
  })
}

const shapeText = (shape: ReadonlyArray<number | null>): string => shape.map((n) => n ?? "rows").join(", ")
