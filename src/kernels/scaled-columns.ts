/**
 * Each column of a matrix times a factor of its own, and a bias: what DoRA does to its directions.
 *
 *   y = z ⊙ f + bias    dz = dy ⊙ f    df = Σ dy ⊙ z    dbias = Σ dy    (sums over tokens)
 *
 * Shapes: z, y [tokens, out], f, bias [out]. Kept for the backward pass: z and f. One kernel rather than two ops, of which
 * the sum would keep z ⊙ f too.
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { inPlaceOf } from "../tensors/index.ts"
import { biasInput } from "./frozen-weight.ts"
import { defineKernel } from "./kernel.ts"

const kernel = defineKernel<"z" | "factor" | "bias", object>({
  name: "ScaledColumns",
  reference: ({ z, factor, bias }) => {
    const scaled = tf.mul(z, factor)
    return [bias === undefined ? scaled : inPlaceOf(scaled, (scaledZ) => tf.add(scaledZ, bias))]
  },
  inputsToSave: ["z", "factor"],
  gradient: ([dy], [z, factor]) => ({
    z: () => tf.mul(dy!, factor!),
    factor: () => tf.sum(tf.mul(dy!, z!), 0),
    bias: () => tf.sum(dy!, 0)
  })
})

/** Computes z ⊙ f + bias: z [tokens, out], f and bias [out] → [tokens, out]; gradients for z, f and bias. */
export const scaledColumns = (z: Tensor2D, factor: Tensor1D, bias: Tensor1D | null): Tensor2D =>
  kernel({ z, factor, ...biasInput(bias) }, {})[0] as Tensor2D
