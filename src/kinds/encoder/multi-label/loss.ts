/** Each label is a decision for itself. */
import type { Scalar, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { defineKernel } from "../../../kernels/index.ts"

const kernel = defineKernel<"z" | "y", object>({
  name: "BinaryCrossEntropy",
  // log(1 + eᶻ) − y·z without overflow
  reference: ({ z, y }) => [tf.mean(tf.add(tf.sub(tf.relu(z), tf.mul(z, y)), tf.log1p(tf.exp(tf.neg(tf.abs(z))))))],
  inputsToSave: ["z", "y"],
  gradient: ([dy], [z, y]) => ({ z: () => tf.mul(tf.mul(tf.sub(tf.sigmoid(z!), y!), 1 / z!.size), dy!) })
})

/** z [rows, labels], y the same with 0 and 1 → the mean over both; gradient for z. PyTorch's BCEWithLogitsLoss. */
export const binaryCrossEntropy = (z: Tensor2D, y: Tensor2D): Scalar => kernel({ z, y }, {})[0] as Scalar
