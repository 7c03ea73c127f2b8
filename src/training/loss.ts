/** Loss functions: map a model's output and target to a scalar, the mean over the rows of the batch. Synchronous tensor code. */

import type { Scalar, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { defineKernel, sparseCrossEntropy } from "../kernels/index.ts"
import type { Model, Network, OutputOf, TargetOf } from "../models/index.ts"

/** A loss function. For a text model: logits [batch, classes], labels int32 [batch] → scalar. */
export type Loss<M extends Network = Model> = (output: OutputOf<M>, target: TargetOf<M>) => Scalar

/** Cross-entropy: mean of log Σⱼ exp zⱼ − z_label over the rows whose label is not −100. Large logits do not overflow. */
export const crossEntropy: Loss = (logits, labels) => sparseCrossEntropy(logits, labels)

// of outputs that are compared with numbers, rather than with a class
const meanSquaredError = defineKernel<"z" | "y", object>({
  name: "MeanSquaredError",
  reference: ({ z, y }) => [tf.mean(tf.square(tf.sub(z, y)))],
  inputsToSave: ["z", "y"],
  gradient: ([dy], [z, y]) => ({ z: () => tf.mul(tf.mul(tf.sub(z!, y!), 2 / z!.size), dy!) })
})

/** Computes the mean squared error: z, y [rows, targets] → mean of (z − y)² over both. Gradient with respect to z. PyTorch's MSELoss. */
export const squaredError = (z: Tensor2D, y: Tensor2D): Scalar => meanSquaredError({ z, y }, {})[0] as Scalar

const crossEntropies = defineKernel<"z" | "y", object>({
  name: "BinaryCrossEntropy",
  // log(1 + eᶻ) − y·z without overflow
  reference: ({ z, y }) => [tf.mean(tf.add(tf.sub(tf.relu(z), tf.mul(z, y)), tf.log1p(tf.exp(tf.neg(tf.abs(z))))))],
  inputsToSave: ["z", "y"],
  gradient: ([dy], [z, y]) => ({ z: () => tf.mul(tf.mul(tf.sub(tf.sigmoid(z!), y!), 1 / z!.size), dy!) })
})

/**
 * Computes binary cross-entropy with logits: z, y [rows, labels], y 0 or 1 → mean over both. Gradient with respect to z. PyTorch's
 * BCEWithLogitsLoss.
 */
export const binaryCrossEntropy = (z: Tensor2D, y: Tensor2D): Scalar => crossEntropies({ z, y }, {})[0] as Scalar

const kernel = defineKernel<"loss" | "penalty", object>({
  name: "Penalised",
  reference: ({ loss }) => [tf.clone(loss)],
  gradient: ([dy]) => ({ loss: () => tf.clone(dy!), penalty: () => tf.clone(dy!) })
})

/**
 * Returns a loss with the value L and the gradients of L + R, so that the reported losses of methods with and without
 * a penalty can be compared.
 */
export const penalised = (loss: Scalar, penalty: Scalar): Scalar => kernel({ loss, penalty }, {})[0] as Scalar
