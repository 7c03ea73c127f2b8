/** Loss and gradients of one step: the mean over the rows (or tokens) of all its batches, one batch on the device at a time. */
import type { Scalar, Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { Tap } from "../../adapters/index.ts"
import { type BatchOf, fedTo, type Model, type Network, type Rows } from "../models/model.ts"
import { recomputed, type Trainable, tensorsOf, tidy, valueAndGradients, withTensors } from "../tensors/index.ts"
import { penalised } from "./penalised.ts"
import type { Session } from "./session.ts"

export interface LossAndGradients {
  readonly loss: Scalar
  readonly gradients: Trainable
}

/**
 * What is differentiated: the loss under the parameters as they are now. `step`: steps taken, by which adapters drop
 * their inputs as training does; absent: nothing is dropped.
 */
export type Differentiated<M extends Network = Model> = Pick<Session<M>, "adapted" | "loss"> &
  Partial<Pick<Session<M>, "recompute" | "step">>

/** The caller disposes the loss and the gradients. */
export const backward = <M extends Network>(
  session: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>
): LossAndGradients => {
  const params = session.adapted.trainable
  const { loss, gradients } = differentiate(session, batches, tensorsOf(params))
  return { loss, gradients: withTensors(params, gradients) }
}

/**
 * The loss, and its gradients with respect to any tensors that it depends on, in their order: with those of the
 * method's penalty, which the loss itself is told without. `tap` as in `Adapted.forward`.
 */
export const differentiate = <M extends Network>(
  { adapted, loss, recompute, step }: Differentiated<M>,
  batches: ReadonlyArray<BatchOf<M>>,
  xs: ReadonlyArray<Tensor>,
  tap?: Tap
): { readonly loss: Scalar; readonly gradients: ReadonlyArray<Tensor> } => {
  const runBlock = recompute === "blocks" ? recomputed : undefined
  const { penalty, trainable: params } = adapted
  const all = batches.reduce((sum, batch) => sum + countOf(batch), 0)
  /** [loss, …gradients] so far */
  let total: ReadonlyArray<Tensor> = []
  for (const [i, batch] of batches.entries()) {
    const training = step === undefined ? undefined : { step, batch: i }
    const share = countOf(batch) / all
    const own = tidy((): ReadonlyArray<Tensor> => {
      const { input, target } = fedTo(adapted.model, batch)
      const { value, gradients } = valueAndGradients(() => {
        const mean = loss(adapted.forward(input, params, { tap, runBlock, training }), target)
        const part = share === 1 ? mean : tf.mul<Scalar>(mean, share)
        // of the parameters, not of the rows: once a step
        return penalty === null || total.length > 0 ? part : penalised(part, penalty(params))
      }, xs)
      return [value, ...gradients]
    })
    total = total.length === 0 ? own : own.map((tensor, i) => added(total[i]!, tensor))
  }
  return { loss: total[0] as Scalar, gradients: total.slice(1) }
}

const countOf = ({ size, counted = size }: Rows): number => counted

/** a + b, which it uses up: the gradients of two batches are whole only once. */
const added = (a: Tensor, b: Tensor): Tensor => {
  const sum = tf.add(a, b)
  tf.dispose([a, b])
  return sum
}
