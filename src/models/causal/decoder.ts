/**
 * A decoder without its weights, and its forward pass, whatever the family:
 *
 *   h₀ = embed(ids)        hᵢ₊₁ = blockᵢ(hᵢ)        hidden = norm(h_L)        logits = hidden·Eᵀ, soft-capped where a family says so
 *
 * Hidden states are [tokens, hidden] with tokens = batch·length. Only attention looks at the batch again, and it may be replaced: with a
 * cache of keys and values, generation attends to more than the batch holds. Logits are no part of the pass, for of a whole batch they are
 * larger than everything else together: the loss makes them in parts (`kernels/linear-cross-entropy.ts`).
 *
 * Evaluation mode: no dropout, in training neither.
 */
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { causalAttention } from "../../kernels/causal-attention.ts"
import type { CausalShape } from "../../kernels/causal-shape.ts"
import { denseLinear } from "../../kernels/dense-linear.ts"
import type { Linear, LinearSite, Weights } from "../../tensors/index.ts"
import type { ParameterSpec, RunBlock } from "../model.ts"
import { OUTPUT_LAYER } from "./output-layer.ts"
import type { RotaryRows } from "./rotary-rows.ts"

/**
 * Attention of one layer: q [batch·queries, heads·d], k and v [batch·keys, keyValueHeads·d], positions applied → [batch·queries, heads·d].
 * `shape.batch` is the batch's size. Called inside a tidy: what it holds on to, it has to keep.
 */
export type Attend = (layer: number, q: Tensor2D, k: Tensor2D, v: Tensor2D, shape: CausalShape) => Tensor2D

/** A batch on the device, its rows one behind another; all tensors are int32 [size·length] but for the rotary ones. */
export interface CausalInput {
  readonly size: number
  readonly length: number
  readonly inputIds: Tensor1D
  readonly positions: Tensor1D
  /** −1: padding */
  readonly segments: Tensor1D
  /** cos and sin [tokens, r] of the decoder's `rotary`, in its order */
  readonly rotary: ReadonlyArray<{ readonly cos: Tensor2D; readonly sin: Tensor2D }>
  /** in place of causal attention inside the batch's segments */
  readonly attend?: Attend | undefined
}

export interface CausalOutput {
  /** [tokens, hidden], after the final norm */
  readonly hidden: Tensor2D
  /** the unembedding [vocabulary, hidden], trained or not */
  readonly weight: Tensor2D
  /** logits are cap·tanh(logits/cap); null: as they are */
  readonly softcap: number | null
}

/** What a block uses besides its hidden states. */
export interface Pass {
  readonly linear: Linear
  readonly weights: Weights
  readonly attend: Attend
  readonly input: CausalInput
}

export interface DecoderSizes {
  readonly hiddenSize: number
  readonly layers: number
  readonly attentionHeads: number
  readonly keyValueHeads: number
  readonly headDim: number
  readonly intermediateSize: number
  readonly vocabularySize: number
  /** positions that the model was made for */
  readonly maxLength: number
}

export interface Decoder extends DecoderSizes {
  /** `model_type` of config.json */
  readonly family: string
  /** what stands before the backbone's names in transformers' own class */
  readonly prefix: string
  readonly sites: ReadonlyArray<LinearSite>
  /** every parameter of the forward pass, by its name in the backbone; the output layer's is `lm_head.weight` */
  readonly parameters: ReadonlyArray<ParameterSpec>
  /** the parameter that tokens are looked up in */
  readonly embedding: string
  /** the output layer is the embedding */
  readonly tied: boolean
  /** linear weights are stored [in, out] */
  readonly fanInFanOut: boolean
  readonly softcap: number | null
  /** the rotary positions that its layers use; none where positions are learned */
  readonly rotary: ReadonlyArray<RotaryRows>
  /** h₀ [tokens, hidden] */
  readonly embed: (input: CausalInput, weights: Weights) => Tensor2D
  readonly blocks: ReadonlyArray<(h: Tensor2D, pass: Pass) => Tensor2D>
  readonly norm: (h: Tensor2D, weights: Weights) => Tensor2D
}

const once: RunBlock = (block, ...inputs) => block(...inputs)

/** Tensor code. Weights and the batch outlive a backward pass, so that blocks may be run again from h alone. */
export const decode = (
  decoder: Decoder,
  input: CausalInput,
  linear: Linear,
  weights: Weights,
  { runBlock = once, attend = input.attend ?? insideBatch(input) }: { runBlock?: RunBlock; attend?: Attend } = {}
): CausalOutput => {
  const pass: Pass = { linear, weights, attend, input }
  const hidden = tf.tidy(() => {
    const embedded = tf.tidy(() => decoder.embed(input, weights))
    const through = (before: Tensor2D, block: Decoder["blocks"][number]) =>
      runBlock((h) => tf.tidy(() => block(h, pass)), before)
    return decoder.norm(decoder.blocks.reduce(through, embedded), weights)
  })
  return {
    hidden,
    weight: weights(decoder.tied ? decoder.embedding : OUTPUT_LAYER) as Tensor2D,
    softcap: decoder.softcap
  }
}

/** Queries and keys are the batch's own. */
const insideBatch =
  ({ segments }: CausalInput): Attend =>
  (_layer, q, k, v, shape) =>
    causalAttention(q, k, v, segments, segments, shape)

/** Logits [rows, vocabulary] of a few rows of `hidden`. Tensor code. */
export const logitsOf = (hidden: Tensor2D, { weight, softcap }: Omit<CausalOutput, "hidden">): Tensor2D => {
  const logits = denseLinear(hidden, weight, null)
  return softcap === null ? logits : tf.mul(tf.tanh(tf.div(logits, softcap)), softcap)
}
