/** Lists of tensors as the inputs of a kernel, which tfjs wants named: "0", "1", … in order. And lists in parts. */
import type { TensorInfo } from "@tensorflow/tfjs-core"

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
