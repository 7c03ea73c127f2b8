/**
 * Loss and evaluation of a causal language model: loss, perplexity and token accuracy, read once per batch and
 * summed on the host in float64. In a separate module, so that pages for labelled texts do not load its kernels.
 */

import type { Scalar, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Adapted } from "../../adapters/index.ts"
import { IGNORED, linearCrossEntropy, tokenScores } from "../kernels/index.ts"
import { type BatchOf, type Network, toDevice } from "../models/index.ts"
import { both, floats, inRounds, json, type Message, type RankError } from "../ranks/index.ts"
import { type DeviceReadError, type FrozenMatrix, readTensor } from "../tensors/index.ts"
import type { Scored } from "./evaluation.ts"
import { combined, type RowScore, ratioOf } from "./row-scores.ts"

export interface TokenEvaluation extends Scored {
  /** fraction of tokens predicted correctly, in [0, 1] */
  readonly accuracy: number
  /** number of tokens that count towards the loss */
  readonly tokens: number
  /** perplexity, exp(loss) */
  readonly perplexity: number
}

/** Output of a causal model; its logits are hidden·weightᵀ. */
export interface Unembedded {
  readonly hidden: Tensor2D
  readonly weight: FrozenMatrix
  readonly softcap: number | null
}

/** A network that predicts the next token. */
export interface LanguageModel extends Network {
  forward(...inputs: Parameters<Network["forward"]>): Unembedded
}

/** Computes the mean cross-entropy over the tokens whose label is not −100, without storing all logits. */
export const tokenCrossEntropy = ({ hidden, weight, softcap }: Unembedded, labels: Tensor1D): Scalar =>
  linearCrossEntropy(hidden, weight, labels, { softcap })

interface LabelledTokens {
  readonly size: number
  readonly labels: Int32Array
}

/** Returns the number of a batch's tokens that count towards the loss. */
export const countedTokens = ({ labels }: Pick<LabelledTokens, "labels">): number =>
  labels.reduce((sum, label) => sum + (label === IGNORED ? 0 : 1), 0)

/** Computed on each batch in addition to its tokens' losses. */
export interface Beside<B, A, E, R> {
  readonly compute: (batch: B) => Effect.Effect<A, E, R>
  /** serialization for other ranks */
  readonly as: Message<A>
}

const nothing: Beside<unknown, null, never, never> = { compute: () => Effect.succeed(null), as: json() }

/**
 * Evaluates a language model; ranks divide the batches. `onBatch` gets the number of rows done, the batch, the losses of its tokens, and the
 * additional result. `rowsOf`: rows of the data that are in a batch.
 */
export const evaluateTokens = <M extends LanguageModel, B extends BatchOf<M> & LabelledTokens, E2 = never, R2 = never>(
  adapted: Adapted<M>,
  rowsOf: (batch: B) => number,
  onBatch: (rows: number, batch: B, losses: Float64Array, right: Float64Array) => Effect.Effect<void, E2, R2>
) => evaluateTokensAnd(adapted, nothing, rowsOf, onBatch)

/** `evaluateTokens` with an additional result per batch; `onBatch` also gets each batch's losses and correct tokens. */
export const evaluateTokensAnd =
  <M extends LanguageModel, B extends BatchOf<M> & LabelledTokens, A, E2, R2, E3 = never, R3 = never>(
    adapted: Adapted<M>,
    beside: Beside<B, A, E2, R2>,
    rowsOf: (batch: B) => number,
    onBatch: (
      rows: number,
      batch: B,
      losses: Float64Array,
      right: Float64Array,
      beside: A
    ) => Effect.Effect<void, E3, R3>
  ) =>
  <E, R>(
    batches: Stream.Stream<B, E, R>
  ): Effect.Effect<TokenEvaluation, E | E2 | E3 | DeviceReadError | RankError, R | R2 | R3> =>
    Effect.gen(function* () {
      let [loss, right, tokens, rows] = [0, 0, 0, 0]
      const use = (batch: B, [scores, answers]: readonly [Float32Array, A]) =>
        Effect.suspend(() => {
          const half = scores.length / 2
          const losses = Float64Array.from(scores.subarray(0, half))
          loss += losses.reduce((sum, one) => sum + one, 0)
          const rightTokens = Float64Array.from(scores.subarray(half))
          right += rightTokens.reduce((sum, one) => sum + one, 0)
          tokens += countedTokens(batch)
          rows += rowsOf(batch)
          return onBatch(rows, batch, losses, rightTokens, answers)
        })
      const compute = (batch: B) => Effect.all([scoresOf(adapted, batch), beside.compute(batch)])
      yield* batches.pipe(inRounds({ compute, as: both(floats, beside.as), use }))
      const mean = loss / tokens
      return { rows, loss: mean, accuracy: right / tokens, tokens, perplexity: Math.exp(mean) }
    })

/** `[2, tokens]`: each token's loss, and 1 where it is the model's most probable one; 0 where it does not count. */
const scoresOf = <M extends LanguageModel>(adapted: Adapted<M>, batch: BatchOf<M>) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      tf.tidy(() => {
        const { input, target } = toDevice(adapted.model, batch)
        const { hidden, weight, softcap } = adapted.forward(input, adapted.trainable) as Unembedded
        const { losses, correct } = tokenScores(hidden, weight, target as Tensor1D, { softcap })
        return tf.stack([losses, tf.cast(correct, "float32")])
      })
    ),
    (scores) => readTensor(scores, "the losses of a batch's tokens") as Effect.Effect<Float32Array, DeviceReadError>,
    (scores) => Effect.sync(() => scores.dispose())
  )

/** Accumulates sums over the tokens of each row, in the order of the rows: a row may be in several sequences. */
export const tokenSums = () => {
  const places = new Map<number, number>()
  const [loss, right, tokens]: ReadonlyArray<Array<number>> = [[], [], []]
  return {
    /** Adds a batch; `rowAt`: the row of the token at a position. */
    add: ({ labels }: LabelledTokens, losses: Float64Array, hits: Float64Array, rowAt: (at: number) => number) => {
      for (let i = 0; i < labels.length; i++) {
        if (labels[i] === IGNORED) continue
        const row = rowAt(i)
        const known = places.get(row)
        const at = known ?? loss!.push(0) - 1
        if (known === undefined) places.set(row, at)
        loss![at] = loss![at]! + losses[i]!
        right![at] = (right![at] ?? 0) + hits[i]!
        tokens![at] = (tokens![at] ?? 0) + 1
      }
    },
    /** Returns each metric as a function of the rows. */
    read: (): Readonly<Record<"loss" | "accuracy" | "perplexity", RowScore>> => {
      const mean = ratioOf(loss!, tokens)
      return { loss: mean, accuracy: ratioOf(right!, tokens), perplexity: combined(Math.exp, mean) }
    }
  }
}
