/** The squared error as training minimises it. */
import type { Scalar, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { defineKernel } from "../../../kernels/index.ts"

const kernel = defineKernel<"z" | "y", object>({
  name: "MeanSquaredError",
  reference: ({ z, y }) => [tf.mean(tf.square(tf.sub(z, y)))],
  inputsToSave: ["z", "y"],
  gradient: ([dy], [z, y]) => ({ z: () => tf.mul(tf.mul(tf.sub(z!, y!), 2 / z!.size), dy!) })
})

/** z, y [rows, targets] → the mean of (z − y)² over both; gradient for z. PyTorch's MSELoss. */
export const squaredError = (z: Tensor2D, y: Tensor2D): Scalar => kernel({ z, y }, {})[0] as Scalar
