/** A frozen weight in fewer bits on the device; `src/numbers` says how its words are laid out. */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import type { MatrixFormat, MatrixShape } from "../numbers/index.ts"

export interface PackedMatrix {
  /** format of its numbers */
  readonly packing: MatrixFormat
  /** `[out, wordsOfRow]`, int32; of a mapped matrix `[out, 2]`, where each row lies */
  readonly words: Tensor2D
  /** `[out]`; null: they are in the blocks */
  readonly scales: Tensor1D | null
  /** out and in of W */
  readonly shape: MatrixShape
}

/** A weight [out, in] that is read and never trained. */
export type FrozenMatrix = Tensor2D | PackedMatrix

export const isPacked = (W: FrozenMatrix): W is PackedMatrix => "packing" in W

/** Tensors to dispose. */
export const tensorsOfMatrix = (W: FrozenMatrix): ReadonlyArray<Tensor> =>
  isPacked(W) ? [W.words, ...(W.scales === null ? [] : [W.scales])] : [W]

/** Unpacks W [out, columns] to float32 with tfjs ops. `scales` is given if rows have them. */
export type Unpack = (words: Tensor, scales: Tensor, packing: MatrixFormat, columns: number) => Tensor

let unpack: Unpack | undefined

/** Sets the function that unpacks matrices. Called by code that uploads packed matrices, so that pages without them do not load it. */
export const provideUnpack = (provided: Unpack): void => {
  unpack = provided
}

/** For references of kernels that read a packed matrix. */
export const unpacked: Unpack = (...packed) => {
  if (unpack === undefined) throw new Error("a packed matrix that `uploadPacked` has not made")
  return unpack(...packed)
}
