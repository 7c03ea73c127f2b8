/** Loss and gradients of one step: the mean over the rows of all its batches, one batch on the device at a time. */
import type { Scalar, Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import type { Batch } from "../data/row.ts"
import { valueAndGradients } from "../tensors/gradients.ts"
import { recomputed } from "../tensors/recompute.ts"
import { tidy } from "../tensors/tidy.ts"
import { type Trainable, tensorsOf, withTensors } from "../tensors/trainable.ts"
import { labelTensor, tokenTensors } from "./batch-tensors.ts"
import type { Session } from "./session.ts"

export interface LossAndGradients {
  readonly loss: Scalar
  readonly gradients: Trainable
}

/** The caller disposes the loss and the gradients. */
export const backward = (
  { adapted, loss, recompute }: Pick<Session, "adapted" | "loss" | "recompute">,
  batches: ReadonlyArray<Batch>
): LossAndGradients => {
  const runBlock = recompute === "blocks" ? recomputed : undefined
  const params = adapted.trainable
  const rows = batches.reduce((sum, batch) => sum + batch.size, 0)
  /** [loss, …gradients] so far */
  let total: ReadonlyArray<Tensor> = []
  for (const batch of batches) {
    const share = batch.size / rows
    const before = total
    total = tidy(() => {
      const tokens = tokenTensors(batch)
      const labels = labelTensor(batch)
      const { value, gradients } = valueAndGradients(() => {
        const mean = loss(adapted.forward(tokens, params, { runBlock }), labels)
        return share === 1 ? mean : tf.mul<Scalar>(mean, share)
      }, tensorsOf(params))
      const own: ReadonlyArray<Tensor> = [value, ...gradients]
      return before.length === 0 ? own : own.map((tensor, i) => tf.add(before[i]!, tensor))
    })
    tf.dispose([...before])
  }
  return { loss: total[0] as Scalar, gradients: withTensors(params, total.slice(1)) }
}
