/** The reference of an expression: tfjs ops, each intermediate given back after its last use. */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { type Evaluated, type Expression, type Leaf, ordered } from "./expression.ts"

type Value = Evaluated[keyof Evaluated]

/** Evaluates an expression with tfjs ops, with the tape off. `shape`: of the tensors that are read value by value. */
export const evaluate = (
  outputs: ReadonlyArray<Expression<"f32">>,
  tensors: Readonly<Record<string, Tensor>>,
  words: Readonly<Record<string, number>>,
  shape: Array<number>
): ReadonlyArray<Tensor> => {
  const { leaves, operations } = ordered(outputs)
  const numbers = ({ type }: Leaf, value: number): Value => (type === "u32" ? () => value : value)
  const tensor = ({ name }: Leaf) => tensors[name!]!
  const leafValues = {
    constant: (leaf: Leaf) => numbers(leaf, leaf.value!),
    word: (leaf: Leaf) => numbers(leaf, words[leaf.name!]!),
    scalar: tensor,
    buffer: tensor,
    column: tensor,
    row: tensor,
    count: () => shape.at(-1)!,
    place: () => (place: number) => place
  } satisfies Record<Leaf["leaf"], (leaf: Leaf) => Value>
  const values = new Map<Expression, Value>(leaves.map((leaf) => [leaf, leafValues[leaf.leaf](leaf)]))
  const uses = new Map<Expression, number>()
  for (const used of [...operations.flatMap(({ operands }) => operands), ...outputs])
    uses.set(used, (uses.get(used) ?? 0) + 1)
  for (const operation of operations) {
    const { operands, forms } = operation
    values.set(
      operation,
      forms.reference(
        operands.map((operand) => values.get(operand)!),
        { shape }
      )
    )
    for (const operand of operands) {
      uses.set(operand, uses.get(operand)! - 1)
      const value = values.get(operand)
      if (uses.get(operand) === 0 && value instanceof tf.Tensor && "operands" in operand) value.dispose()
    }
  }
  return outputs.map((output) => values.get(output) as Tensor)
}
