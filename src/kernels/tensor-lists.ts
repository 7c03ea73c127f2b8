/** Lists of tensors as the inputs of a kernel, which tfjs wants named: "0", "1", … in order. Lists in parts, and stacks as lists. */
import type { Tensor2D, Tensor3D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { wasmEngineOf } from "./wasm/engine.ts"

/** Names tensors by their index, for kernels over lists. */
export const named = <T extends TensorInfo>(tensors: ReadonlyArray<T>): Readonly<Record<string, T>> =>
  Object.fromEntries(tensors.map((tensor, i) => [i, tensor]))

/** Returns the tensors in the order of their indices: integer keys are enumerated in ascending order. */
export const listed = <T extends TensorInfo>(inputs: Readonly<Record<string, T>>): ReadonlyArray<T> =>
  Object.values(inputs)

/** Divides [a₀, b₀, a₁, b₁, …] into groups of `size`. */
export const groupsOf = <T>(list: ReadonlyArray<T>, size: number): ReadonlyArray<ReadonlyArray<T>> =>
  Array.from({ length: list.length / size }, (_, i) => list.slice(i * size, (i + 1) * size))

/** Returns the number of values in a tensor. */
export const sizeOf = ({ shape }: TensorInfo): number => shape.reduce((product, n) => product * n, 1)

/** Groups consecutive items so that the sizes of a group add up to at most `most`; a larger item has its own group. */
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
 * Returns the matrices of a stack [n, rows, columns] as new tensors, as `tf.unstack` does. tfjs's own on wasm copies the whole stack out of its
 * heap for each matrix, which took half the time of optimizers over stacks of pairs; here each is copied once, within the heap. Not
 * differentiable.
 */
export const unstacked = (stack: Tensor3D): ReadonlyArray<Tensor2D> => {
  const engine = wasmEngineOf(tf.backend())
  if (engine === undefined) return tf.unstack(stack) as Array<Tensor2D>
  const [n, rows, columns] = stack.shape
  const bytes = 4 * rows * columns
  const from = engine.address(stack)
  return Array.from({ length: n }, (_, i) => {
    const matrix = engine.output([rows, columns])
    engine.copy(from + i * bytes, engine.address(matrix), bytes)
    return tf.engine().makeTensorFromTensorInfo(matrix) as Tensor2D
  })
}
