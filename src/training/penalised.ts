/**
 * A loss that is reported as it is and differentiated with a penalty: value L, gradients of L + R. So losses of methods
 * with and without a penalty can be compared.
 */
import type { Scalar } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { defineKernel } from "../kernels/kernel.ts"

const kernel = defineKernel<"loss" | "penalty", object>({
  name: "Penalised",
  reference: ({ loss }) => [tf.clone(loss)],
  inputsToSave: [],
  gradient: ([dy]) => ({ loss: () => tf.clone(dy!), penalty: () => tf.clone(dy!) })
})

/** L, and from here back the gradients of L + R. */
export const penalised = (loss: Scalar, penalty: Scalar): Scalar => kernel({ loss, penalty }, {})[0] as Scalar
