/** Lists of tensors as the inputs of a kernel, which tfjs wants named: "0", "1", … in order. Lists in parts, and stacks as lists. */
import type { Tensor2D, Tensor3D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { wasmEngineOf } from "./wasm/engine.ts"

export const named = <T extends TensorInfo>(tensors: ReadonlyArray<T>): Readonly<Record<string, T>> =>
  Object.fromEntries(tensors.map((tensor, i) => [i, tensor]))

/** Back again: integer keys are in ascending order. */
export const listed = <T extends TensorInfo>(inputs: Readonly<Record<string, T>>): ReadonlyArray<T> =>
  Object.values(inputs)

/** [a₀, b₀, a₁, b₁, …] in groups of `size`. */
export const groupsOf = <T>(list: ReadonlyArray<T>, size: number): ReadonlyArray<ReadonlyArray<T>> =>
  Array.from({ length: list.length / size }, (_, i) => list.slice(i * size, (i + 1) * size))

export const sizeOf = ({ shape }: TensorInfo): number => shape.reduce((product, n) => product * n, 1)

/** Consecutive items whose sizes add up to `most` at most, or one item. */
export const bounded = <T>(
  items: ReadonlyArray<T>,
  sizeOfItem: (item: T) => number,
  most: number
): ReadonlyArray<ReadonlyArray<T>> => {
  const lists: Array<Array<T>> = []
  let room = 0
  for (const item of items) {
    const size = sizeOfItem(item)
    if (size > room || lists.length === 0) {
      lists.push([])
      room = most
    }
    lists.at(-1)!.push(item)
    room -= size
  }
  return lists
}

/**
 * The matrices of a stack [n, rows, columns] one by one, as `tf.unstack` has them. tfjs' own on wasm copies the whole stack out of its heap
 * for each of them: half of what an optimizer over stacks of pairs took. Here each is copied once, within the heap. Not for what is
 * differentiated. The tensors belong to the caller.
 */
export const unstacked = (stack: Tensor3D): ReadonlyArray<Tensor2D> => {
  const engine = wasmEngineOf(tf.backend())
  if (engine === undefined) return tf.unstack(stack) as Array<Tensor2D>
  const [n, rows, columns] = stack.shape
  const bytes = 4 * rows * columns
  const from = engine.address(stack)
  return Array.from({ length: n }, (_, i) => {
    const own = engine.output([rows, columns])
    engine.copy(from + i * bytes, engine.address(own), bytes)
    return tf.engine().makeTensorFromTensorInfo(own) as Tensor2D
  })
}
