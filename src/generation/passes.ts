/**
 * Forward passes over a batch during generation: over the tokens after those in the cache. Returns logits of the last token of
 * each row only, or just the index of the largest. Tensor code.
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { Adapted } from "../../adapters/index.ts"
import { type Attend, type CausalModel, type CausalOutput, logitsOf } from "../models/causal/index.ts"
import { tidy } from "../tensors/index.ts"
import { byRow } from "./cache.ts"

/** Inputs of a forward pass. */
export interface Pass {
  readonly adapted: Adapted<CausalModel>
  /** next tokens of each row, the same number for all rows */
  readonly ids: ReadonlyArray<ReadonlyArray<number>>
  /** position of each row's first token of the pass; negative: it begins with as many tokens of padding */
  readonly before: ReadonlyArray<number>
  /** number of known tokens of each row that follow in later passes */
  readonly ahead: ReadonlyArray<number>
  /** rows whose logits are needed; default: all */
  readonly asked?: ReadonlyArray<number>
  /** Opens the attention of the pass, over the keys and values so far. */
  readonly attend: () => Attend
}

/** Hidden states [rows·tokens, hidden] of the tokens, which are in the cache afterwards. */
const output = ({ adapted, ids, before, ahead, attend }: Pass): CausalOutput => {
  const [size, length] = [ids.length, ids[0]!.length]
  // −1 and less: padding
  const positions = Int32Array.from({ length: size * length }, (_, i) => before[Math.floor(i / length)]! + (i % length))
  const { input } = adapted.model.toDevice({
    size,
    length,
    inputIds: Int32Array.from(ids.flat()),
    labels: new Int32Array(size * length),
    segments: positions.map((position) => (position < 0 ? -1 : 0)),
    positions: positions.map((position) => Math.max(0, position)),
    textLengths: before.map((first, row) => first + length + ahead[row]!),
    tokens: positions.filter((position) => position >= 0).length
  })
  return adapted.forward({ ...input, attend: attend() }, adapted.trainable)
}

/** Runs a pass only to fill the cache. */
export const readOnly = (pass: Pass): void => tidy(() => void output(pass))

/** [rows·tokens, hidden] → [asked rows, hidden]: of the last token of each */
const lastOf = (hidden: Tensor2D, { ids, asked }: Pass): Tensor2D => {
  const [rows, length] = [ids.length, ids[0]!.length]
  const last: Tensor2D =
    length === 1
      ? hidden
      : tf.reshape(tf.slice(byRow(hidden, rows), [0, length - 1, 0], [-1, 1, -1]), [rows, hidden.shape[1]])
  return asked === undefined ? last : tf.gather(last as Tensor2D, tf.tensor1d([...asked], "int32"))
}

/** Returns the hidden states of a pass [rows·tokens, hidden], with the weight that maps them to logits. The caller disposes the hidden states. */
export const hiddenStates = (pass: Pass): CausalOutput => tidy(() => output(pass))

/** Returns the logits [count, vocabulary] after `count` tokens of a pass, from the token `from` on. */
export const logitsAt = (out: CausalOutput, from: number, count: number): Tensor2D =>
  tidy(() => logitsOf(tf.slice(out.hidden, [from, 0], [count, -1]), out))

/** Returns the logits [asked rows, vocabulary] after each row. */
export const nextLogits = (pass: Pass): Tensor2D =>
  tf.tidy(() => {
    const out = output(pass)
    return logitsOf(lastOf(out.hidden, pass), out)
  })

/**
 * Computes, as float32 [2, asked rows], the index of each row's largest logit, which float32 represents exactly below 2²⁴, and the sum of its hidden
 * state, which is not finite if any value is not.
 */
export const nextTokens = (pass: Pass): Tensor2D =>
  tf.tidy(() => {
    const out = output(pass)
    const hidden = lastOf(out.hidden, pass)
    const nextId = tf.cast(tf.argMax(logitsOf(hidden, out), 1), "float32")
    return tf.stack([nextId, tf.sum(hidden, 1)]) as Tensor2D
  })
