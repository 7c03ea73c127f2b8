/** Lists of tensors as the inputs of a kernel, which tfjs wants named: "0", "1", … in order. */
import type { TensorInfo } from "@tensorflow/tfjs"

export const named = <T extends TensorInfo>(tensors: ReadonlyArray<T>): Readonly<Record<string, T>> =>
  Object.fromEntries(tensors.map((tensor, i) => [i, tensor]))

/** Back again: integer keys are in ascending order. */
export const listed = <T extends TensorInfo>(inputs: Readonly<Record<string, T>>): ReadonlyArray<T> =>
  Object.values(inputs)

/** [a₀, b₀, a₁, b₁, …] in groups of `size`. */
export const groupsOf = <T>(list: ReadonlyArray<T>, size: number): ReadonlyArray<ReadonlyArray<T>> =>
  Array.from({ length: list.length / size }, (_, i) => list.slice(i * size, (i + 1) * size))

export const sizeOf = ({ shape }: TensorInfo): number => shape.reduce((product, n) => product * n, 1)
