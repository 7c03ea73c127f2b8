/**
 * Losses for pairs of answers. In a batch of n pairs, π is the log-probability of an answer after its prompt, a sum over the answer's
 * tokens, and ref that log-probability before training:
 *
 *   DPO   mean over pairs of  −(1 − ε)·log σ(β·Δ) − ε·log σ(−β·Δ)           Δ = (π_c − ref_c) − (π_r − ref_r)
 *   ORPO  mean over tokens of prompts and better answers of  −log p
 *         + λ · mean over pairs of  −log σ(log odds_c − log odds_r)         log odds = p̄ − log(1 − exp p̄), p̄ = π/tokens
 *
 * Rafailov et al. 2023 (arXiv 2305.18290), ε as in cDPO; Hong et al. 2024 (arXiv 2403.07691), λ is called β in TRL. Rewards are
 * β·(π − ref), for ORPO λ·p̄, as in TRL 1.16.
 */
import type { Scalar, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { PreferenceLoss } from "../../../../schemas/index.ts"
import { defineKernel, tokenCrossEntropies } from "../../../kernels/index.ts"
import type { CausalOutput } from "../../../models/causal/index.ts"

/** Targets of a batch of n pairs, shape [2n, length], the better answers first. */
export interface PairTarget {
  readonly labels: Tensor1D // [2n·length]
  /** 1 for tokens of the answers, else 0 */
  readonly answers: Tensor2D
  /** number of labels in the better answers' rows */
  readonly counted: number
  /** log-probabilities [2n] of the answers before training; absent for losses without a reference */
  readonly reference?: Tensor1D
}

/** Returns for each sequence [2n] the log-probability of its answer and the loss of all its labels. Tensor code. */
export const sequenceSums = ({ hidden, weight, softcap }: CausalOutput, { labels, answers }: PairTarget) => {
  const losses: Tensor2D = tf.reshape(tokenCrossEntropies(hidden, weight, labels, { softcap }), answers.shape)
  return {
    answers: tf.neg<Tensor1D>(tf.sum<Tensor1D>(tf.mul(losses, answers), 1)),
    all: tf.sum<Tensor1D>(losses, 1)
  }
}

const halves = (x: Tensor1D): readonly [Tensor1D, Tensor1D] => tf.split(x, 2) as [Tensor1D, Tensor1D]

/** Computes log(1 − exp x) for x < 0, in the form that keeps the digits (Mächler 2012). */
const oneMinusExp = defineKernel<"x", object>({
  name: "LogOneMinusExp",
  reference: ({ x }) => [tf.where(tf.less(x, -Math.LN2), tf.log1p(tf.neg(tf.exp(x))), tf.log(tf.neg(tf.expm1(x))))],
  inputsToSave: ["x"],
  // −exp x/(1 − exp x)
  gradient: ([dy], [x]) => ({ x: () => tf.neg(tf.div(dy!, tf.expm1(tf.neg(x!)))) })
})

const logOneMinusExp = (x: Tensor1D): Tensor1D => oneMinusExp({ x }, {})[0] as Tensor1D

/** Returns the mean loss of the pairs, a scalar. Tensor code. */
export const preferenceLoss =
  (loss: PreferenceLoss) =>
  (output: CausalOutput, target: PairTarget): Scalar => {
    const sums = sequenceSums(output, target)
    if (loss.kind === "dpo") {
      const [chosen, rejected] = halves(tf.sub(sums.answers, target.reference!))
      const margin = tf.mul(tf.sub(chosen, rejected), loss.beta)
      const right = tf.mean<Scalar>(tf.softplus(tf.neg(margin)))
      const { labelSmoothing } = loss
      if (labelSmoothing === undefined) return right
      const wrong = tf.mean<Scalar>(tf.softplus(margin))
      return tf.add(tf.mul(right, 1 - labelSmoothing), tf.mul(wrong, labelSmoothing))
    }
    const [chosen, rejected] = halves(tf.div(sums.answers, tf.sum<Tensor1D>(target.answers, 1)))
    const odds = tf.sub(tf.sub(chosen, rejected), tf.sub(logOneMinusExp(chosen), logOneMinusExp(rejected)))
    const [chosenSum] = halves(sums.all)
    const cross = tf.div<Scalar>(tf.sum(chosenSum), target.counted)
    return tf.add(cross, tf.mul(tf.mean<Scalar>(tf.softplus(tf.neg(odds))), loss.beta))
  }
