/**
 * `classWeight`, as in tfjs: a factor for the loss of each row, by the row's class. Classes are the target's
 * values, or the indices of its largest entries if it is one-hot.
 */
import type { PlanProblem } from "../../../schemas/index.ts"
import type { HostArray } from "../../models/layers-model/index.ts"

/** Weights by class index. */
export type ClassWeight = Readonly<Record<number, number>>
/** Class weights for the single output, a list with one entry per output, or weights by output name. */
export type ClassWeights = ClassWeight | ReadonlyArray<ClassWeight | null> | Readonly<Record<string, ClassWeight>>

const isNumbers = (value: object): value is ClassWeight =>
  Object.values(value).every((weight) => typeof weight === "number")

/** Returns one entry per output, undefined for an output without weights; a sentence if the weights are ambiguous. */
export const weightPerOutput = (
  weights: ClassWeights,
  outputNames: ReadonlyArray<string>
): ReadonlyArray<ClassWeight | undefined> | PlanProblem => {
  const path = "classWeight"
  if (Array.isArray(weights)) {
    if (weights.length === outputNames.length) return weights.map((one) => one ?? undefined)
    return { path, message: `found ${weights.length} entries; expected one for each output: ${outputNames.join(", ")}` }
  }
  if (isNumbers(weights)) {
    if (outputNames.length === 1) return [weights]
    return { path, message: `found weights for one output; expected them by name, for ${outputNames.join(", ")}` }
  }
  const byName = weights as Readonly<Record<string, ClassWeight>>
  const unknown = Object.keys(byName).filter((name) => !outputNames.includes(name))
  if (unknown.length > 0)
    return { path, message: `found ${unknown.join(", ")}; expected outputs: ${outputNames.join(", ")}` }
  return outputNames.map((name) => byName[name])
}

/** Returns the weights of a target's rows, shape `[rows]`, or the problem of a class without a weight. */
export const rowWeights = ({ values, shape }: HostArray, weights: ClassWeight): HostArray | PlanProblem => {
  const path = "classWeight"
  if (shape.length > 2)
    return { path, message: `found a target of shape [${shape.join(", ")}]; expected one class per row` }
  const rows = shape[0]!
  const width = shape[1] ?? 1
  const rowWeights = new Float32Array(rows)
  for (let i = 0; i < rows; i++) {
    const row = values.subarray(i * width, (i + 1) * width)
    const weight = weights[width === 1 ? row[0]! : largest(row)]
    if (weight === undefined) {
      const classIndex = width === 1 ? row[0]! : largest(row)
      return { path, message: `no weight for class ${classIndex}, which is in the data; expected one for every class` }
    }
    rowWeights[i] = weight
  }
  return { values: rowWeights, shape: [rows], dtype: "float32" }
}

const largest = (row: ArrayLike<number>): number => {
  let best = 0
  for (let j = 1; j < row.length; j++) if (row[j]! > row[best]!) best = j
  return best
}
