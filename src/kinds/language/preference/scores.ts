/** Scores of pairs, summed in float64 on the host: the loss of `loss.ts`, and rewards. */
import type { PreferenceLoss } from "../../../../schemas/index.ts"
import { combined, countedTokens, type Evaluation, type RowScores, ratioOf } from "../../../training/index.ts"
import type { PairBatch } from "./pairs-model.ts"

export interface PreferenceEvaluation extends Evaluation {
  /** fraction of the pairs whose better answer has the larger reward; rewards that are equal within float32 precision count ½ */
  readonly accuracy: number
  /** mean difference of the rewards, chosen − rejected */
  readonly margin: number
  readonly chosenReward: number
  readonly rejectedReward: number
}

/** Returns log(1 + exp x). */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

/** Returns the log odds of a mean log-probability. */
const logOdds = (p: number): number => p - Math.log(-Math.expm1(p))

/** Contribution of a pair to the mean over pairs, and its rewards. */
interface PairScore {
  readonly term: number
  readonly rewards: readonly [chosen: number, rejected: number]
  /** 1 if the better answer has the larger reward, ½ if the rewards are equal, else 0 */
  readonly right: number
}

/**
 * Relative precision of a sum of log-probabilities in float32. Before training the two sums of a pair differ only by rounding, which is not
 * a preference.
 */
const ROUNDING = 2 ** -20

const scored = (
  loss: PreferenceLoss,
  answers: readonly [number, number],
  reference: readonly [number, number],
  lengths: readonly [number, number]
): PairScore => {
  const [chosen, rejected] = [0, 1].map((side) =>
    loss.kind === "dpo" ? answers[side]! - reference[side]! : answers[side]! / lengths[side]!
  ) as [number, number]
  const rewards = [loss.beta * chosen, loss.beta * rejected] as const
  const margin = rewards[0] - rewards[1]
  const equal = Math.abs(chosen - rejected) <= ROUNDING * Math.max(...answers.map(Math.abs))
  const right = equal ? 0.5 : margin > 0 ? 1 : 0
  if (loss.kind === "orpo") {
    return { term: loss.beta * softplus(logOdds(rejected) - logOdds(chosen)), rewards, right }
  }
  const smoothed = loss.labelSmoothing ?? 0
  return { term: (1 - smoothed) * softplus(-margin) + smoothed * softplus(margin), rewards, right }
}

/** Returns an accumulator of scores over batches. */
export const scoresOf = (loss: PreferenceLoss) => {
  const sums = { rows: 0, term: 0, cross: 0, counted: 0, right: 0, chosen: 0, rejected: 0 }
  const each = {
    term: [] as Array<number>,
    cross: [] as Array<number>,
    counted: [] as Array<number>,
    right: [] as Array<number>,
    margin: [] as Array<number>
  }
  return {
    /** adds a batch with the sums [2n] of its sequences; returns the number of rows so far */
    add: ({ pairs, reference, answers: mask, labels, length }: PairBatch, answers: Float32Array, all: Float32Array) => {
      const n = pairs.length
      const lengthOf = (row: number) =>
        mask.subarray(row * length, (row + 1) * length).reduce((sum, token) => sum + token, 0)
      for (let i = 0; i < n; i++) {
        const both = (of: (row: number) => number) => [of(i), of(n + i)] as const
        const { term, rewards, right } = scored(
          loss,
          both((row) => answers[row]!),
          both((row) => reference?.[row] ?? 0),
          both(lengthOf)
        )
        const [chosen, rejected] = rewards
        sums.term += term
        sums.right += right
        sums.chosen += chosen
        sums.rejected += rejected
        sums.cross += all[i]!
        each.term.push(term)
        each.right.push(right)
        each.margin.push(chosen - rejected)
        each.cross.push(all[i]!)
        each.counted.push(countedTokens({ labels: labels.subarray(i * length, (i + 1) * length) }))
      }
      sums.counted += countedTokens({ labels: labels.subarray(0, n * length) })
      sums.rows += n
      return sums.rows
    },
    ofRows: (): RowScores => {
      const term = ratioOf(each.term)
      const cross = ratioOf(each.cross, each.counted)
      return {
        loss: loss.kind === "orpo" ? combined((a, b) => a! + b!, term, cross) : term,
        accuracy: ratioOf(each.right),
        margin: ratioOf(each.margin)
      }
    },
    read: (): PreferenceEvaluation => {
      const { rows, term, cross, counted, right, chosen, rejected } = sums
      return {
        rows,
        loss: term / rows + (loss.kind === "orpo" ? cross / counted : 0),
        accuracy: right / rows,
        margin: (chosen - rejected) / rows,
        chosenReward: chosen / rows,
        rejectedReward: rejected / rows
      }
    }
  }
}
