/** Losses: a model's output and what it should have been → a scalar, the mean over the rows of the batch. Synchronous tensor code. */

import type { Scalar, Tensor1D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { defineKernel, linearCrossEntropy, sparseCrossEntropy } from "../kernels/index.ts"
import type { Model, Network, OutputOf, TargetOf } from "../models/index.ts"
import type { Unembedded } from "./evaluation.ts"

/** Of a text model: logits [batch, classes], labels int32 [batch] → scalar. */
export type Loss<M extends Network = Model> = (output: OutputOf<M>, target: TargetOf<M>) => Scalar

/** Mean of log Σⱼ exp zⱼ − z_label over the rows whose label is not −100. Large logits do not overflow. */
export const crossEntropy: Loss = (logits, labels) => sparseCrossEntropy(logits, labels)

/** Of a causal language model: mean over the tokens whose label is not −100; the logits are never whole. */
export const tokenCrossEntropy = ({ hidden, weight, softcap }: Unembedded, labels: Tensor1D): Scalar =>
  linearCrossEntropy(hidden, weight, labels, { softcap })

const kernel = defineKernel<"loss" | "penalty", object>({
  name: "Penalised",
  reference: ({ loss }) => [tf.clone(loss)],
  gradient: ([dy]) => ({ loss: () => tf.clone(dy!), penalty: () => tf.clone(dy!) })
})

/**
 * A loss that is reported as it is and differentiated with a penalty: value L, gradients of L + R. So losses of methods with and without
 * a penalty can be compared.
 */
export const penalised = (loss: Scalar, penalty: Scalar): Scalar => kernel({ loss, penalty }, {})[0] as Scalar
