/**
 * How far the two factors of P diag(λ) Q are from orthonormal (Frobenius): AdaLoRA's penalty (arXiv 2303.10512,
 * equation 4; norms, not their squares, as PEFT has it).
 *
 *   D_Q = QQᵀ − I    n_Q = ‖D_Q‖    dQ = dn_Q·(2/n_Q)·D_Q Q
 *   D_P = PᵀP − I    n_P = ‖D_P‖    dP = dn_P·(2/n_P)·P D_P
 *
 * Where D = 0 the gradient is 0, the shortest that a norm has there: at rank 1 training comes to rows of exactly unit
 * length.
 *
 * Shapes: Q [r, in], P [out, r], D and I [r, r]. Two thin products in each direction for each factor; no Gram is larger
 * than r×r.
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { defineKernel } from "./kernel.ts"
import { squaredNorms } from "./squared-norms.ts"

const kernel = defineKernel<"Q" | "P" | "I", object>({
  name: "Orthogonality",
  reference: ({ Q, P, I }) => {
    const ofQ = tf.sub(tf.matMul(Q, Q, false, true), I)
    const ofP = tf.sub(tf.matMul(P, P, true, false), I)
    return [tf.sqrt(squaredNorms([ofQ, ofP])), ofQ, ofP]
  },
  inputsToSave: ["Q", "P"],
  outputsToSave: [true, true, true],
  gradient: ([dn], [Q, P, norms, ofQ, ofP]) => {
    // here rather than in a closure: both need it
    const factors = tf.divNoNan(tf.mul(dn!, 2), norms!)
    return {
      Q: () => tf.matMul(tf.mul(ofQ!, tf.slice(factors, 0, 1)), Q!),
      P: () => tf.matMul(P!, tf.mul(ofP!, tf.slice(factors, 1, 1)))
    }
  }
})

/** Computes ‖QQᵀ − I‖ and ‖PᵀP − I‖, shape [2]; gradients for Q and P. `I`: identity matrix of their rank. */
export const orthogonality = (Q: Tensor2D, P: Tensor2D, I: Tensor2D): Tensor1D => {
  const [norms, ...deviations] = kernel({ Q, P, I }, {})
  tf.dispose(deviations) // the tape holds its own handles
  return norms as Tensor1D
}
