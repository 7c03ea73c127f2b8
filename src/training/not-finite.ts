/**
 * Locates the origin of a step that is not finite: the first linear layer of the forward pass whose output is not finite, else
 * the first such gradient. Recomputed with the parameters that the session still holds, so only a failed run pays for it.
 *
 * A tensor is tested by Σ 0·x, which is 0 if all values are finite and NaN otherwise.
 */

import type { Scalar, Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { type BatchOf, type Network, toDevice } from "../models/index.ts"
import { type DeviceReadError, readTensor, type Trainable, tensorsOf, tidy } from "../tensors/index.ts"
import { backward } from "./backward.ts"
import type { Session } from "./session.ts"

/** Returns the origin in words; undefined if forward and backward pass are finite, so that the update was the cause. */
export const originOf = <M extends Network>(
  session: Session<M>,
  batches: ReadonlyArray<BatchOf<M>>
): Effect.Effect<string | undefined, DeviceReadError> =>
  Effect.gen(function* () {
    for (const [i, batch] of batches.entries()) {
      const place = yield* firstMarked(() => outputs(session, batch, i))
      if (place !== undefined) return place
    }
    return yield* firstMarked(() => gradients(session, batches))
  })

interface Marks {
  readonly names: ReadonlyArray<string>
  readonly marks: ReadonlyArray<Scalar>
}

/** Kept, since it may be made inside one of the model's own tidies. */
const mark = (tensor: Tensor): Scalar => tf.keep(tf.tidy(() => tf.sum(tf.mul(tensor, 0))))

const firstMarked = (look: () => Marks): Effect.Effect<string | undefined, DeviceReadError> =>
  Effect.gen(function* () {
    const { names, marks } = tidy(look)
    const vector = tf.stack([...marks])
    const values = yield* readTensor(vector, "where the step is not finite")
    tf.dispose([vector, ...marks])
    return names[values.findIndex((value) => !Number.isFinite(value))]
  })

/** Of the batch with this number among those of the step. */
const outputs = <M extends Network>({ adapted, step }: Session<M>, batch: BatchOf<M>, number: number): Marks => {
  const names: Array<string> = []
  const marks: Array<Scalar> = []
  const see = (name: string, tensor: Tensor) => {
    names.push(name)
    marks.push(mark(tensor))
  }
  const logits = adapted.forward(toDevice(adapted.model, batch).input, adapted.trainable, {
    training: { step, batch: number },
    tap: (site, _, y) => {
      see(`the output of ${site.name}`, y)
      return y
    }
  })
  for (const output of [logits].flat()) see("the logits", output as Tensor)
  return { names, marks }
}

const gradients = <M extends Network>(session: Session<M>, batches: ReadonlyArray<BatchOf<M>>): Marks => {
  const result = backward(session, batches)
  return {
    names: ["the loss", ...namesOf(session.adapted.trainable).map((name) => `the gradient of ${name}`)],
    marks: [result.loss, ...tensorsOf(result.gradients)].map(mark)
  }
}

/** In the order of `tensorsOf`. */
const namesOf = ({ pairs, dense }: Trainable): ReadonlyArray<string> => [
  ...pairs.flatMap(({ site }) => [`A of ${site.name}`, `B of ${site.name}`]),
  ...dense.map(({ name }) => name)
]
