/** A frozen weight in fewer bits on the device; `src/numbers` says how its words are laid out. */
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { MatrixShape, PackedHostMatrix, Packing } from "../numbers/index.ts"

export interface PackedMatrix {
  readonly packing: Packing
  readonly words: Tensor2D // int32 [out, wordsOfRow]
  readonly scales: Tensor1D | null // [out]; null: in blocks
  readonly shape: MatrixShape
}

/** A weight [out, in] that is read and never trained. */
export type FrozenMatrix = Tensor2D | PackedMatrix

export const isPacked = (W: FrozenMatrix): W is PackedMatrix => "packing" in W

/** What there is to dispose. */
export const tensorsOfMatrix = (W: FrozenMatrix): ReadonlyArray<Tensor> =>
  isPacked(W) ? [W.words, ...(W.scales === null ? [] : [W.scales])] : [W]

/** Uploads a packed matrix. The caller owns its tensors. */
export const uploadPacked = ({ packing, words, scales, shape }: PackedHostMatrix): PackedMatrix => ({
  packing,
  words: tf.tensor2d(words, [shape[0], words.length / shape[0]], "int32"),
  scales: scales === null ? null : tf.tensor1d(scales),
  shape
})
